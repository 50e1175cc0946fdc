// The faces of a masked picture: a thumbnail of each, its emotion, and the probabilities as bars.

import { element, percent } from "./dom.js";

const THUMBNAIL = 104; // pixels, twice what is shown

/** In words, for screen readers and captions. */
export function inWords(faces) {
  if (!faces.length) return "No face was found.";
  const emotions = faces.map((face) => face.emotion).join(", ");
  return `${faces.length === 1 ? "One face is" : `${faces.length} faces are`} covered: ${emotions}.`;
}

/** Show `faces` in `list`; `picture` is the masked one, an image or a canvas. Cards that are there are used again. */
export function showFaces(list, faces, picture) {
  while (list.children.length > faces.length) list.lastChild.remove();
  faces.forEach((face, index) => {
    if (!list.children[index]) list.append(emptyCard(face));
    fill(list.children[index], face, picture);
  });
}

function emptyCard(face) {
  const bars = Object.keys(face.probabilities).map((name) =>
    element("li", {},
      element("span", {}, name),
      element("span", { className: "track" }, element("span", { className: `fill ${name}` })),
      element("span", { className: "share" })));
  const thumbnail = element("canvas", { width: THUMBNAIL, height: THUMBNAIL });
  thumbnail.setAttribute("aria-hidden", "true");
  return element("article", { className: "face" },
    element("header", {}, thumbnail, element("h4")),
    element("ul", { className: "bars" }, ...bars));
}

// An emotion that is not probable enough is shown as neutral, though another one leads.
function feeling(face) {
  const share = face.probabilities[face.emotion];
  const leads = share >= Math.max(...Object.values(face.probabilities));
  return face.emotion === "neutral" && !leads ? "unsure, shown as neutral" : `${face.emotion}, ${percent(share)}`;
}

function fill(card, face, picture) {
  card.querySelector("h4").textContent = `Face ${face.track}: ${feeling(face)}`;
  Object.entries(face.probabilities).forEach(([name, value], index) => {
    const bar = card.querySelector(".bars").children[index];
    bar.classList.toggle("first", name === face.emotion);
    bar.querySelector(".fill").style.width = `${value * 100}%`;
    bar.querySelector(".share").textContent = percent(value);
  });
  const [left, top, right, bottom] = face.covered || face.box;
  const side = Math.max(right - left, bottom - top);
  const context = card.querySelector("canvas").getContext("2d");
  context.clearRect(0, 0, THUMBNAIL, THUMBNAIL);
  const [x, y] = [(left + right - side) / 2, (top + bottom - side) / 2];
  context.drawImage(picture, x, y, side, side, 0, 0, THUMBNAIL, THUMBNAIL);
}
