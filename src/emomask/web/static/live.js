// The visitor's camera: a preview that stays here, and, when asked for, the masked picture from the server.

import { choices, onChoices } from "./choices.js";
import { $, announce, element } from "./dom.js";
import { inWords, showFaces } from "./faces.js";
import { History } from "./history.js";
import { Stream } from "./stream.js";

const IN_FLIGHT = 2; // frames that are on their way at a time; further ones are left out, so that none is ever late
const UNSENT = 200000; // bytes
const QUALITY = 0.8;
const SAVED_QUALITY = 0.92;
const TYPES = { jpg: "image/jpeg", png: "image/png", webp: "image/webp" };
const WIDTH = 640;
const STATS_EVERY = 500; // ms
const EMOTIONS_EVERY = 100; // ms; nobody reads bars faster, and the time is the pictures'
const CAMERA_ERRORS = {
  NotAllowedError: "The browser may not use the camera. Allow it in the address bar or the browser's settings, then try again.",
  NotFoundError: "No camera was found. Plug one in, then try again.",
  NotReadableError: "The camera is in use by another program. Close that one, then try again.",
};
const PREVIEW_NOTE = "seen by this browser only";
const OFF = "The camera is off";
const NONE = "Masked pictures appear here";
const SENT_NOTE = "sent to this server to be masked";
const INSECURE = "Browsers give a camera to https:// pages and to localhost only. Ask the operator for TLS, or open the page there.";

let camera = null; // a MediaStream
let stream = null;
let history = null;
let number = 0;
let sent = new Map(); // number: when it was captured, in ms of performance.now()
let shown = []; // {time, latency} of the last second
let failing = "";
let told = 0; // when the emotions were shown last

const capture = document.createElement("canvas");

export function fillLive(options) {
  history = new History($("history"), options.emotions);
  for (const name of options.emotions) {
    $("legend").append(element("li", {}, element("i", { className: name }), name));
  }
  $("camera").addEventListener("click", () => (camera ? turnOff() : turnOn()));
  $("masking").addEventListener("click", () => (stream ? stopMasking() : startMasking()));
  $("snapshot").addEventListener("click", save);
  onChoices((chosen) => stream?.say(hello(chosen)));
  setInterval(tellStats, STATS_EVERY);
  $("preview-note").textContent = PREVIEW_NOTE;
  hint("preview", OFF);
  hint("masked", NONE);
  say("The preview is seen by this browser only. You decide when frames are sent to be masked.");
}

/** The panel is no longer shown: nobody looks at the camera. */
export function leaveLive() {
  if (camera) turnOff();
}

function say(text, isError = false) {
  $("live-state").textContent = text;
  $("live-state").classList.toggle("error", isError);
}

/** What stands in the frame around an element while it is empty. */
function hint(id, text) {
  $(id).parentElement.dataset.hint = text;
}

const hello = ({ style, emoji_set, margin }) => ({ style, emoji_set, margin });

async function turnOn() {
  if (!navigator.mediaDevices) {
    say(INSECURE, true);
    return;
  }
  $("camera").disabled = true;
  try {
    camera = await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { width: { ideal: WIDTH }, height: { ideal: 480 }, frameRate: { ideal: 30 }, facingMode: "user" },
    });
    $("preview").srcObject = camera;
    await $("preview").play();
    camera.getVideoTracks()[0].addEventListener("ended", () => {
      turnOff();
      say("The camera was unplugged or taken away.", true);
    });
    hint("preview", "");
    $("camera").textContent = "Turn off the camera";
    $("camera").classList.remove("primary");
    $("masking").hidden = false;
    say("Only you see this preview. Press “Start masking” to send frames to this server and get them back masked.");
  } catch (error) {
    camera = null;
    say(CAMERA_ERRORS[error.name] || `The camera cannot be used (${error.name}).`, true);
  }
  $("camera").disabled = false;
}

function turnOff() {
  stopMasking();
  camera?.getTracks().forEach((track) => track.stop());
  camera = null;
  $("preview").srcObject = null;
  hint("preview", OFF);
  $("camera").textContent = "Turn on the camera";
  $("camera").classList.add("primary");
  $("masking").hidden = true;
  say("The camera is off.");
}

function startMasking() {
  number = 0;
  sent = new Map();
  shown = [];
  failing = "";
  history.clear();
  stream = new Stream("api/live", hello(choices()), show, (reason) => {
    stopMasking();
    say(reason, true);
    announce(reason);
  });
  $("masking").textContent = "Stop masking";
  $("live-emotions").hidden = $("snapshot").hidden = false;
  $("preview-note").textContent = SENT_NOTE;
  say("Frames go to this server and come back masked. Nothing is kept.");
  nextFrame(captured);
}

/** Call `then` with the time at which the next frame is shown; browsers without such a call tell that of the screen. */
function nextFrame(then) {
  const video = $("preview");
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(then);
  else requestAnimationFrame((now) => then(now, {}));
}

function stopMasking() {
  stream?.close();
  stream = null;
  $("masking").textContent = "Start masking";
  $("snapshot").hidden = true;
  $("live-stats").textContent = "";
  $("preview-note").textContent = PREVIEW_NOTE;
  blank();
}

function blank() {
  $("masked").getContext("2d").clearRect(0, 0, $("masked").width, $("masked").height);
  $("masked").setAttribute("aria-label", "No masked picture");
  hint("masked", NONE);
  $("live-faces").replaceChildren();
}

/** A new frame of the camera: sent when there is room, else left out. */
async function captured(now, about) {
  const current = stream;
  if (!current) return;
  nextFrame(captured);
  if (!current.isOpen || sent.size >= IN_FLIGHT || current.unsent > UNSENT) return;
  number += 1;
  const mine = number;
  sent.set(mine, about.captureTime ?? now);
  const video = $("preview");
  const scale = Math.min(1, WIDTH / Math.max(video.videoWidth, video.videoHeight));
  capture.width = Math.round(video.videoWidth * scale);
  capture.height = Math.round(video.videoHeight * scale);
  capture.getContext("2d").drawImage(video, 0, 0, capture.width, capture.height);
  const blob = await new Promise((resolve) => capture.toBlob(resolve, "image/jpeg", QUALITY));
  if (stream === current) current.send(mine, blob);
}

async function show(answered, header, blob) {
  // Frames that the server has left out for newer ones are not answered.
  const since = sent.get(answered);
  for (const one of sent.keys()) if (one <= answered) sent.delete(one);
  if (!blob) {
    blank();
    if (header.error !== failing) say(header.error, true);
    failing = header.error;
    return;
  }
  if (failing) say("Frames are masked again.");
  failing = "";
  const current = stream;
  const picture = await createImageBitmap(blob);
  if (stream !== current) return;
  const canvas = $("masked");
  if (canvas.width !== picture.width || canvas.height !== picture.height) {
    [canvas.width, canvas.height] = [picture.width, picture.height];
  }
  canvas.getContext("2d").drawImage(picture, 0, 0);
  hint("masked", "");
  const now = performance.now();
  if (now - told > EMOTIONS_EVERY) {
    told = now;
    history.add(header.faces, now);
    history.draw(now);
    showFaces($("live-faces"), header.faces, picture);
  }
  picture.close();
  requestAnimationFrame((time) => shown.push({ time, latency: time - since, faces: header.faces }));
}

function tellStats() {
  if (!stream) return;
  const now = performance.now();
  shown = shown.filter(({ time }) => now - time < 1000);
  if (!shown.length) {
    $("live-stats").textContent = "0 frames/s";
    return;
  }
  const latencies = shown.map(({ latency }) => latency).sort((one, other) => one - other);
  const middle = Math.round(latencies[Math.floor(latencies.length / 2)]);
  $("live-stats").textContent = `${shown.length} frames/s, ${middle} ms from camera to screen`;
  $("live-stats").dataset.rate = shown.length;
  $("live-stats").dataset.latency = middle;
  $("masked").setAttribute("aria-label", `Your masked camera. ${inWords(shown[shown.length - 1].faces)}`);
  $("history").setAttribute("aria-label", history.describe());
}

function save() {
  const { format } = choices();
  $("masked").toBlob((blob) => {
    const suffix = blob.type === TYPES[format] ? format : "png"; // what browsers write when they cannot write it
    const link = element("a", { href: URL.createObjectURL(blob), download: `emomask.${suffix}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }, TYPES[format], SAVED_QUALITY);
}
