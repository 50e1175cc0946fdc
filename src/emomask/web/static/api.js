// What the page asks of the server. Every failure is an Error whose message says what to do.

const OFFLINE = "The server cannot be reached. Is it still running?";
const BUSY_TRIES = 5;

let token = "";

export function useToken(given) {
  token = given;
}

export const tokenInUse = () => token;

export function place(path) {
  return new URL(path, document.baseURI).href;
}

export function socketPlace(path) {
  return place(path).replace(/^http/, "ws");
}

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

function reasonOf(text, status) {
  try {
    return JSON.parse(text).error || `The server answers ${status}.`;
  } catch {
    return `The server answers ${status}.`;
  }
}

/** One request; `onProgress` gets the share of the body that is sent, 0 to 1. */
function send(method, path, body, headers, type, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, place(path));
    request.responseType = type;
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    if (token) request.setRequestHeader("Authorization", `Bearer ${token}`);
    if (onProgress) {
      request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    }
    request.onload = () => resolve(request);
    request.onerror = () => reject(new Error(OFFLINE));
    request.send(body);
  });
}

async function asked(method, path, { body = null, headers = {}, type = "text", onProgress = null, onBusy = null } = {}) {
  for (let tries = 1; ; tries += 1) {
    const answer = await send(method, path, body, headers, type, onProgress);
    if (answer.status >= 200 && answer.status < 300) return answer.response;
    const text = type === "blob" ? await answer.response.text() : answer.response;
    if (answer.status !== 429 || tries === BUSY_TRIES || !onBusy) throw new Error(reasonOf(text, answer.status));
    const seconds = Number(answer.getResponseHeader("Retry-After")) || 2;
    onBusy(`${reasonOf(text, 429)} Trying again in ${seconds} s.`);
    await pause(seconds + Math.random());
  }
}

export const options = async () => JSON.parse(await asked("GET", "api/options"));

export const demoPicture = (name) => asked("GET", `api/demo/${encodeURIComponent(name)}`, { type: "blob" });

const withChoices = (path, choices) => `${path}?${new URLSearchParams(choices)}`;

async function masked(choices, body, type, how) {
  const headers = { "Content-Type": type, Accept: "application/json" };
  const told = JSON.parse(await asked("POST", withChoices("api/mask", choices), { body, headers, ...how }));
  const bytes = Uint8Array.from(atob(told.image), (letter) => letter.charCodeAt(0));
  return { faces: told.faces, ms: told.ms, blob: new Blob([bytes], { type: told.media_type }) };
}

/** The masked picture of a file: `{faces, ms, blob}`. */
export const maskFile = (file, choices, how) => masked(choices, file, "application/octet-stream", how);

/** The masked picture that a URL names. */
export const maskAddress = (url, choices, how) => masked(choices, JSON.stringify({ url }), "application/json", how);

/** The masked video of a file; `onProgress` gets the share that is sent, `onJob` what the server tells of the job. */
export async function maskVideo(file, { format, ...choices }, { onJob, ...how }) {
  const headers = { "Content-Type": "application/octet-stream" };
  let job = JSON.parse(await asked("POST", withChoices("api/mask/video", choices), { body: file, headers, ...how }));
  while (job.state === "waiting" || job.state === "running") {
    onJob(job);
    await pause(0.5);
    job = JSON.parse(await asked("GET", `api/mask/video/${job.job}`));
  }
  if (job.state === "failed") throw new Error(job.error);
  return { counts: job.counts, blob: await asked("GET", `api/mask/video/${job.job}/result`, { type: "blob" }) };
}
