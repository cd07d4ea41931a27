// What the phone's pages share around the handset: panels as sheets on small screens, and the field that grows.

import { say } from "./regulars.js";

export const calm = matchMedia("(prefers-reduced-motion: reduce)");
export const small = matchMedia("(max-width: 1100px)");
const field = () => document.getElementById("text");
let opener = null;

/** Open a panel over the phone; focus goes back to `from` when it is closed. */
export function openSheet(name, from) {
  closeSheet();
  const sheet = document.getElementById(`${name}-panel`);
  opener = from;
  sheet.classList.add("open");
  document.querySelector(".stage").inert = true;
  sheet.querySelector("[data-close]").focus();
}

export function closeSheet() {
  const sheet = document.querySelector(".panel.open");
  if (!sheet) return;
  sheet.classList.remove("open");
  document.querySelector(".stage").inert = false;
  if (opener?.isConnected) opener.focus();
  else field().focus();
  opener = null;
}

/** Show the chosen card of the inspector. */
export function reveal(turns) {
  if (small.matches) openSheet("inspector", document.activeElement);
  const card = turns.querySelector(".chosen");
  if (card) card.querySelector("details").open = true;
  card?.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
}

/** Let the field be as high as what is typed, and say when little room is left. */
export function grow(more = false) {
  const typed = field();
  typed.style.height = "auto";
  typed.style.height = `${typed.scrollHeight + 2}px`;
  const room = typed.maxLength - typed.value.length;
  const left = document.getElementById("left");
  left.hidden = room > 200;
  left.textContent = say("{count} left", { count: room });
  document.querySelector(".send").disabled = !typed.value.trim() && !more;
}

/** Wire the buttons that open and close sheets, and the field: Enter sends. */
export function wire() {
  for (const button of document.querySelectorAll("button[data-sheet]")) button.addEventListener("click", () => openSheet(button.dataset.sheet, button));
  for (const button of document.querySelectorAll("[data-close]")) button.addEventListener("click", closeSheet);
  field().addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      event.target.form.requestSubmit();
    }
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && closeSheet());
}

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
