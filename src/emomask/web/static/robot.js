// A robot's camera, masked by the robot.

import { $ } from "./dom.js";
import { inWords, showFaces } from "./faces.js";
import { Stream } from "./stream.js";

const AGAIN = 3000; // ms

let stream = null;
let times = [];

export function enterRobot() {
  if (stream) return;
  $("robot-state").textContent = "Waiting for the robot's pictures …";
  $("robot-state").classList.remove("error");
  const mine = new Stream("api/robot", {}, show, (reason) => {
    $("robot-state").textContent = `${reason} Trying again …`;
    $("robot-state").classList.add("error");
    blank();
    setTimeout(() => {
      if (stream !== mine) return;
      stream = null;
      enterRobot();
    }, AGAIN);
  });
  stream = mine;
}

export function leaveRobot() {
  stream?.close();
  stream = null;
  blank();
}

function blank() {
  $("robot").getContext("2d").clearRect(0, 0, $("robot").width, $("robot").height);
  $("robot").setAttribute("aria-label", "No picture");
  $("robot-faces").replaceChildren();
  $("robot-stats").textContent = "";
}

async function show(_, header, blob) {
  const current = stream;
  const picture = await createImageBitmap(blob);
  if (stream !== current) return;
  const canvas = $("robot");
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    [canvas.width, canvas.height] = [picture.width, picture.height];
  }
  canvas.getContext("2d").drawImage(picture, 0, 0);
  canvas.setAttribute("aria-label", `The robot's camera, masked. ${inWords(header.faces)}`);
  showFaces($("robot-faces"), header.faces, picture);
  picture.close();
  $("robot-state").textContent = "";
  times = [...times, performance.now()].filter((time) => performance.now() - time < 1000);
  $("robot-stats").textContent = `${times.length} frames/s`;
}
