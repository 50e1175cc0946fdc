// The WebSocket of a live view: hello, masked pictures, and an end that says why.

import { socketPlace, tokenInUse } from "./api.js";

const LOST = "The connection to the server was lost; start again.";

export class Stream {
  /** `onPicture` gets number, header and a Blob (null when the frame was withheld); `onEnd` the reason. */
  constructor(path, hello, onPicture, onEnd) {
    this.ended = false;
    this.reason = "";
    this.socket = new WebSocket(socketPlace(path));
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.say({ ...hello, token: tokenInUse() });
    this.socket.onmessage = ({ data }) => {
      if (this.ended) return;
      if (typeof data === "string") this.reason = JSON.parse(data).error;
      else onPicture(...taken(data));
    };
    this.socket.onclose = () => {
      if (!this.ended) onEnd(this.reason || LOST);
      this.ended = true;
    };
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  /** Bytes that the browser has not sent yet. */
  get unsent() {
    return this.socket.bufferedAmount;
  }

  say(values) {
    if (this.isOpen) this.socket.send(JSON.stringify(values));
  }

  send(number, blob) {
    const head = new DataView(new ArrayBuffer(4));
    head.setUint32(0, number);
    if (this.isOpen) this.socket.send(new Blob([head.buffer, blob]));
  }

  close() {
    this.ended = true;
    this.socket.close();
  }
}

function taken(data) {
  const view = new DataView(data);
  const length = view.getUint32(4);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 8, length)));
  const picture = data.byteLength > 8 + length ? new Blob([new Uint8Array(data, 8 + length)], { type: "image/jpeg" }) : null;
  return [view.getUint32(0), header, picture];
}
