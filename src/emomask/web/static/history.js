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
    for (const run of this.runs()) {
      // From the top, each area down to the bottom over the one before: no seams between them.
      for (let count = this.emotions.length; count > 0; count -= 1) {
        const height = (point) => point.shares.slice(0, count).reduce((sum, share) => sum + share, 0);
        context.fillStyle = style.getPropertyValue(`--${this.emotions[count - 1]}`);
        context.beginPath();
        context.moveTo(x(run[0]), canvas.height);
        for (const point of run) context.lineTo(x(point), canvas.height * (1 - height(point)));
        context.lineTo(x(run[run.length - 1]), canvas.height);
        context.fill();
      }
    }
  }

  /** The points between the gaps in which nobody was there. */
  runs() {
    const runs = [[]];
    for (const point of this.points) {
      if (point.shares) runs[runs.length - 1].push(point);
      else runs.push([]);
    }
    return runs.filter((run) => run.length > 1);
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
