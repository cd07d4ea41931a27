// The till's comfort: the result is read out and in view, one press uses a voucher once, undo says how long it lasts.

document.querySelector("[data-result]")?.focus({ preventScroll: false });

for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", () => {
    for (const button of form.querySelectorAll("button")) button.disabled = true;
  });
}
// A page that comes back from the browser's memory may be old: ask the server what is true now.
addEventListener("pageshow", (event) => { if (event.persisted) location.replace(location.pathname); });

const undo = document.querySelector("form[data-undo]");
if (undo) {
  const end = Date.now() + Number(undo.dataset.undo);
  const left = undo.querySelector("[data-left]");
  const tick = () => {
    const seconds = Math.ceil((end - Date.now()) / 1000);
    if (seconds <= 0) return undo.remove();
    left.textContent = `(${seconds})`;
    setTimeout(tick, 500);
  };
  tick();
}
