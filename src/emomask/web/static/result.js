// A card for one picture or video: on its way, failed, or the original beside the masked one.

import { maskAddress, maskFile, maskVideo } from "./api.js";
import { choices, onChoices } from "./choices.js";
import { announce, element, percent } from "./dom.js";
import { inWords, showFaces } from "./faces.js";

const NO_FACE =
  "No face was found, so nothing is covered. If there is one, do not share this picture: try a larger, brighter or upright one.";
const NOT_SHOWN = "Your browser cannot show this format.";

const isVideo = (file) => file.type.startsWith("video/") || /\.(mp4|mov|m4v|webm|mkv|avi|mpe?g|ts)$/i.test(file.name || "");
const bareName = (name) => name.replace(/\.[^.]*$/, "");

export class Result {
  /**
   * `title`: what it is called; `file`: a Blob, or null when `url` names the picture; `origin`: where the original is
   * from. With `canGo` the visitor can remove it.
   */
  constructor(title, { file = null, url = "", origin = "from your device, not sent back", canGo = true }) {
    this.title = title;
    this.file = file;
    this.url = url;
    this.origin = origin;
    this.canGo = canGo;
    this.addresses = [];
    this.card = element("article", { className: "result" });
    this.busy = this.closed = false;
    this.ignoreChoices = onChoices(() => this.offerAgain());
  }

  async mask() {
    if (this.busy || this.closed) return;
    this.busy = true;
    this.used = choices();
    const state = element("p", { className: "tag" }, "Waiting …");
    const bar = element("progress", { max: 1, value: 0 });
    bar.setAttribute("aria-label", `Progress of ${this.title}`);
    this.fill(state, bar);
    const tell = (text, share) => {
      state.textContent = text;
      if (share === undefined) bar.removeAttribute("value");
      else bar.value = share;
    };
    try {
      await this.done(await this.ask(tell));
    } catch (error) {
      const again = element("button", { type: "button" }, "Try again");
      again.addEventListener("click", () => this.mask());
      this.fill(element("p", { className: "notice error" }, error.message), element("div", { className: "row" }, again, this.way()));
      announce(`${this.title}: ${error.message}`);
    }
    this.busy = false;
    this.offerAgain();
  }

  ask(tell) {
    const how = {
      onBusy: (text) => tell(text),
      onProgress: (share) => (share < 1 ? tell(`Uploading, ${percent(share)}`, share) : tell("Masking …")),
    };
    if (!this.file) {
      tell("Fetching and masking …");
      return maskAddress(this.url, this.used, { onBusy: how.onBusy });
    }
    if (!isVideo(this.file)) return maskFile(this.file, this.used, how);
    const onJob = (job) => {
      if (job.state === "waiting") tell(job.ahead ? `Waiting for ${job.ahead} other video(s) …` : "Waiting …");
      else tell(job.progress ? `Masking, ${percent(job.progress)}` : "Looking for faces …", job.progress || undefined);
    };
    return maskVideo(this.file, this.used, { ...how, onJob });
  }

  async done({ faces, counts, blob, ms }) {
    if (this.closed) return;
    this.release();
    const isFilm = counts !== undefined;
    const masked = element(isFilm ? "video" : "img", isFilm ? { controls: true, loop: true, muted: true } : {});
    masked.src = this.address(blob);
    const told = isFilm
      ? `In ${counts.frames} frames faces were covered ${counts.faces} times${counts.withheld ? `; ${counts.withheld} frames were withheld` : ""}.`
      : inWords(faces);
    if (isFilm) masked.setAttribute("aria-label", `${this.title}, masked`);
    else masked.alt = `${this.title}, masked. ${told}`;
    const pair = element("div", { className: this.file ? "pair" : "pair single" });
    if (this.file) pair.append(this.figure(this.original(isFilm), "Original", this.origin));
    pair.append(this.figure(masked, "Masked", ms === undefined ? "" : `in ${Math.round(ms)} ms`));
    const list = element("div", { className: "faces" });
    const suffix = isFilm ? "mp4" : this.used.format;
    const link = element("a", { className: "button primary", href: masked.src }, "Download");
    link.download = `${bareName(this.title)}-masked.${suffix}`;
    link.setAttribute("aria-label", `Download ${this.title}, masked`);
    const none = isFilm ? counts.faces === 0 : faces.length === 0;
    this.fill(pair, element("p", { className: none ? "notice warning" : "notice" }, none ? NO_FACE : told), list,
      element("div", { className: "row done" }, link, this.way()));
    announce(`${this.title}: ${told}`);
    if (!isFilm) {
      await masked.decode();
      showFaces(list, faces, masked);
    }
  }

  original(isFilm) {
    const shown = element(isFilm ? "video" : "img", isFilm ? { controls: true, loop: true, muted: true } : { alt: `${this.title}, original` });
    if (isFilm) shown.setAttribute("aria-label", `${this.title}, original`);
    shown.addEventListener("error", () => shown.replaceWith(element("p", { className: "tag" }, NOT_SHOWN)));
    shown.src = this.address(this.file);
    return shown;
  }

  figure(shown, caption, tag) {
    return element("figure", {},
      element("div", { className: "frame" }, shown),
      element("figcaption", {}, `${caption} `, element("span", { className: "tag" }, tag)));
  }

  address(blob) {
    this.addresses.push(URL.createObjectURL(blob));
    return this.addresses[this.addresses.length - 1];
  }

  fill(...parts) {
    this.card.replaceChildren(element("h3", {}, this.title), ...parts);
  }

  /** When the choices are no longer those of the result, offer to use them. */
  offerAgain() {
    const row = this.card.querySelector(".done");
    if (this.busy || !row || !this.used) return;
    const isOld = JSON.stringify(choices()) !== JSON.stringify(this.used);
    let button = row.querySelector(".again");
    if (!isOld) button?.remove();
    else if (!button) {
      button = element("button", { type: "button", className: "again" }, "Mask again with the new choices");
      button.addEventListener("click", () => this.mask());
      row.append(button);
    }
  }

  /** The button that removes it, or null. */
  way() {
    if (!this.canGo) return null;
    const button = element("button", { type: "button" }, "Remove");
    button.setAttribute("aria-label", `Remove ${this.title}`);
    button.addEventListener("click", () => {
      const next = this.card.nextElementSibling || this.card.previousElementSibling || this.card.closest("[role=tabpanel]");
      this.close();
      announce(`${this.title} is removed.`);
      (next.querySelector(".row button") || next).focus();
    });
    return button;
  }

  /** Let go of the pictures. */
  release() {
    this.addresses.splice(0).forEach((address) => URL.revokeObjectURL(address));
  }

  /** Remove it from the page; nothing more comes of it. */
  close() {
    this.closed = true;
    this.ignoreChoices();
    this.release();
    this.card.remove();
  }
}
