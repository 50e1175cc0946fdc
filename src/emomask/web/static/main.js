// Starts the page: what the server offers, the token where one is needed, and the ways in.

import { fillAddress } from "./address.js";
import { demoPicture, options, useToken } from "./api.js";
import { fillChoices } from "./choices.js";
import { fillDemo } from "./demo.js";
import { $, announce, element } from "./dom.js";
import { fillLive, leaveLive } from "./live.js";
import { enterRobot, leaveRobot } from "./robot.js";
import { makeTabs } from "./tabs.js";
import { fillUpload } from "./upload.js";

function askForToken(offered) {
  const form = $("token");
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    form.querySelector(".error")?.remove();
    useToken($("token-field").value.trim());
    try {
      await demoPicture(offered.demo[0].name); // whether it is the right one
    } catch (error) {
      form.append(element("p", { className: "notice error" }, error.message));
      announce(error.message);
      return;
    }
    form.hidden = true;
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
    $("choices-panel").hidden = panel === "panel-robot"; // the robot has masked its pictures already
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
