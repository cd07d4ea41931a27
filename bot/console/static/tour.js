// The first tour: five steps in a dialog; it is offered until it was seen or declined.
import { ask } from "./console.js";

const band = document.querySelector("[data-tour]");
const dialog = document.querySelector("dialog.tour");
const start = document.querySelector("[data-tour-start]");
const [back, next] = [dialog.querySelector("[data-tour-back]"), dialog.querySelector("[data-tour-next]")];
const steps = [...dialog.querySelectorAll("section")];
const words = next.textContent;
let place = 0;

function turn(to) {
  place = Math.min(Math.max(to, 0), steps.length - 1);
  steps.forEach((step, number) => { step.hidden = number !== place; });
  back.hidden = place === 0;
  next.textContent = place === steps.length - 1 ? next.dataset.last : words;
}
async function seen() {
  band.remove();
  await ask(band.dataset.tour, { method: "POST" });
}
start.hidden = false;
start.addEventListener("click", () => { turn(0); dialog.showModal(); next.focus(); });
back.addEventListener("click", () => turn(place - 1));
next.addEventListener("click", () => { if (place === steps.length - 1) dialog.close(); else turn(place + 1); });
dialog.addEventListener("close", seen);
