// The interface's documentation, from the OpenAPI description that the server gives.

import { $, element } from "./dom.js";

const root = document.baseURI.replace(/docs$/, "");

function curl(method, path, operation) {
  const kinds = Object.keys(operation.requestBody?.content || {});
  const place = root.replace(/\/$/, "") + path;
  if (!kinds.length) return `curl ${method === "GET" ? "" : `-X ${method} `}${place}`;
  const kind = path.endsWith("video") ? "video/mp4" : "image/jpeg";
  const lines = [`curl -H 'Content-Type: ${kind}' --data-binary @FILE '${place}?style=emoji'`];
  if (kinds.includes("application/json")) {
    lines[0] += " -o masked.jpg";
    lines.push(`curl -H 'Accept: application/json' -H 'Content-Type: ${kind}' --data-binary @FILE ${place}`);
    lines.push(`curl -H 'Content-Type: application/json' -d '{"url": "https://..."}' ${place} -o masked.jpg`);
  }
  return lines.join("\n");
}

function table(parameters) {
  const rows = parameters.map(({ name, schema, description }) =>
    element("tr", {}, element("td", {}, element("code", {}, name)), element("td", {}, String(schema.default ?? "")),
      element("td", {}, description || "")));
  const head = element("tr", {}, ...["Parameter", "Default", "Meaning"].map((name) => element("th", { scope: "col" }, name)));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
}

function shown(method, path, operation) {
  const chosen = (operation.parameters || []).filter((parameter) => parameter.in === "query");
  return element("section", { className: "panel" },
    element("h2", {}, element("span", { className: "method" }, method), element("code", {}, path)),
    element("p", {}, operation.summary || ""),
    element("p", { className: "hint" }, operation.description || ""),
    chosen.length ? table(chosen) : null,
    element("pre", { tabIndex: 0 }, curl(method, path, operation)));
}

const answer = await fetch("api/openapi.json");
const told = await answer.json();
$("about").textContent = answer.ok ? told.info.description : told.error;
for (const [path, operations] of Object.entries(told.paths || {})) {
  for (const [method, operation] of Object.entries(operations)) {
    $("operations").append(shown(method.toUpperCase(), path, operation));
  }
}
