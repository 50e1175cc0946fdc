// Starts the page: what the server offers, the token where one is needed, and the ways in.

import { fillAddress } from "./address.js";
import { options, useToken } from "./api.js";
import { fillChoices } from "./choices.js";
import { fillDemo } from "./demo.js";
import { $, element } from "./dom.js";
import { fillLive, leaveLive } from "./live.js";
import { enterRobot, leaveRobot } from "./robot.js";
import { makeTabs } from "./tabs.js";
import { fillUpload } from "./upload.js";

function askForToken(offered) {
  $("token").hidden = false;
  $("token").addEventListener("submit", (event) => {
    event.preventDefault();
    useToken($("token-field").value.trim());
    fillDemo(offered);
  });
}

async function start() {
  const offered = await options();
  fillChoices(offered);
  fillUpload(offered);
  fillAddress();
  fillLive(offered);
  $("tab-robot").hidden = !offered.robot;
  makeTabs($("tabs"), (panel) => {
    if (panel !== "panel-live") leaveLive();
    if (panel === "panel-robot") enterRobot();
    else leaveRobot();
  });
  if (offered.token) askForToken(offered);
  else fillDemo(offered);
}

start().catch((error) => {
  $("main").prepend(element("p", { className: "notice error" }, error.message));
});
