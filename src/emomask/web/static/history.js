// The emotions of the last half minute as stacked areas: the mean over the faces that were seen.

import { percent } from "./dom.js";

const SECONDS = 30;

export class History {
  constructor(canvas, emotions) {
    this.canvas = canvas;
    this.emotions = emotions;
    this.clear();
  }

  clear() {
    this.points = []; // {time, shares}; shares null when nobody was there
    this.canvas.setAttribute("aria-label", "No emotions yet");
    this.draw(0);
  }

  /** Take in the faces of a picture; `time` in ms. */
  add(faces, time) {
    const mean = (name) => faces.reduce((sum, face) => sum + face.probabilities[name], 0) / faces.length;
    this.points.push({ time, shares: faces.length ? this.emotions.map(mean) : null });
    while (this.points[0].time < time - SECONDS * 1000) this.points.shift();
  }

  draw(time) {
    const { canvas } = this;
    const context = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    const x = (point) => canvas.width * (1 - (time - point.time) / (SECONDS * 1000));
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (let index = 1; index < this.points.length; index += 1) {
      const [before, after] = [this.points[index - 1], this.points[index]];
      if (!before.shares || !after.shares) continue;
      let [low, next] = [0, 0];
      this.emotions.forEach((name, emotion) => {
        const [from, to] = [low + before.shares[emotion], next + after.shares[emotion]];
        context.fillStyle = style.getPropertyValue(`--${name}`);
        context.beginPath();
        context.moveTo(x(before), canvas.height * (1 - low));
        context.lineTo(x(after) + 0.6, canvas.height * (1 - next));
        context.lineTo(x(after) + 0.6, canvas.height * (1 - to));
        context.lineTo(x(before), canvas.height * (1 - from));
        context.fill();
        [low, next] = [from, to];
      });
    }
  }

  /** In words. */
  describe() {
    const seen = this.points.filter((point) => point.shares);
    if (!seen.length) return "Nobody was seen in the last 30 seconds.";
    const means = this.emotions.map((name, index) => [name, seen.reduce((sum, point) => sum + point.shares[index], 0) / seen.length]);
    const told = means.filter(([, share]) => share >= 0.05).sort((one, other) => other[1] - one[1]);
    return `In the last 30 seconds: ${told.map(([name, share]) => `${name} ${percent(share)}`).join(", ")}.`;
  }
}
