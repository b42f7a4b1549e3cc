// Parts of the page that change are asked for again. Without this script, a reload does the same.
"use strict";

async function refresh(part) {
  let answer;
  try {
    answer = await fetch(part.dataset.refresh, { credentials: "same-origin" });
  } catch {
    return; // the board restarts, or the network is away: the next attempt comes
  }
  if (answer.status === 401) {
    location.reload(); // the session has ended: on to the log-in
    return;
  }
  if (!answer.ok) return;
  const html = await answer.text();
  if (part.dataset.shown === html) return;
  part.dataset.shown = html;
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  part.innerHTML = html;
  if (focused) document.getElementById(focused)?.focus();
  speak(part);
}

// For screen readers: one short sentence, and only when it is another one.
function speak(part) {
  const said = part.querySelector("[data-say]")?.dataset.say;
  const place = document.getElementById(part.dataset.speak);
  if (place && said !== undefined && place.textContent !== said) place.textContent = said;
}

for (const part of document.querySelectorAll("[data-refresh]")) {
  speak(part);
  const every = Number(part.dataset.every);
  const again = async () => {
    if (!document.hidden) await refresh(part);
    setTimeout(again, every);
  };
  setTimeout(again, every);
}

// The stream begins once the page is there: it never ends, and so would the loading.
const live = document.getElementById("live");
const pause = document.getElementById("pause");
if (live) {
  const fresh = (path) => `${path}?${Date.now()}`;
  const begin = () => { live.src = fresh(live.dataset.live); };
  const still = live.getAttribute("src");
  let paused = false;
  live.addEventListener("error", () => setTimeout(() => { if (!paused) begin(); }, 3000));
  if (document.readyState === "complete") begin();
  else window.addEventListener("load", begin);
  if (pause) {
    pause.hidden = false;
    pause.addEventListener("click", () => {
      paused = !paused;
      pause.setAttribute("aria-pressed", String(paused));
      pause.textContent = paused ? "Go on" : "Pause";
      if (paused) live.src = fresh(still);
      else begin();
    });
  }
}

// Too much is told before it is sent; the board refuses it, too.
for (const input of document.querySelectorAll("[data-most-files]")) {
  input.addEventListener("change", () => {
    const { mostFiles, mostMb } = input.dataset;
    const bytes = [...input.files].reduce((sum, file) => sum + file.size, 0);
    const wrong = input.files.length > Number(mostFiles) || bytes > (Number(mostMb) - 1) << 20;
    input.setCustomValidity(wrong ? `At most ${mostFiles} photos and ${mostMb - 1} MB at once.` : "");
    input.reportValidity();
  });
}
