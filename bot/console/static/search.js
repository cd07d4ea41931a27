// Results while one types. Without this the form asks for the page.

import { ask, show } from "./console.js";

const PAUSE = 250; // milliseconds without a key
const form = document.querySelector(".search-form");
const field = form.querySelector("input[type=search]");
const results = document.getElementById("search-results");
const said = document.getElementById("search-said");
let timer = 0;
let asking = null;

field.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(look, PAUSE);
});

async function look() {
  asking?.abort();
  asking = new AbortController();
  try {
    const body = new URLSearchParams({ q: field.value });
    const answer = await ask(form.dataset.results, { method: "POST", body, signal: asking.signal });
    if (!answer.ok) return;
    show(results, await answer.text());
    said.textContent = results.querySelector("[data-said]")?.dataset.said ?? "";
  } catch (trouble) {
    if (trouble.name !== "AbortError") form.submit(); // the page itself says what is wrong
  }
}
