// Fetches the page again from time to time, and swaps what says `data-live` and has changed. Focus, scroll, open details and typed
// text stay. Without this script the pages work as well: they have a link that does it.
"use strict";
(() => {
  // What was just done is told once: the page that is loaded again, or kept open, does not tell it.
  const told = new URL(location.href);
  for (const field of ["done", "about", "problem"]) told.searchParams.delete(field);
  if (told.href !== location.href) history.replaceState(null, "", told);

  const EVERY = 5000, HIDDEN_EVERY = 60000, WITHIN = 8000;
  const live = document.getElementById("live");
  if (!live || !document.querySelector("[data-live]")) return;
  // The answer to a form cannot be fetched again: it says which page has its parts.
  let timer, failures = 0;

  // Where the state stands it is told, too, that it is an old one, and of when.
  const old = document.getElementById("stale");
  let asOf = new Date();

  const say = (text, stale) => {
    if (live.textContent !== text) live.textContent = text;
    live.className = stale ? "stale" : "";
    document.body.classList.toggle("stale", stale);
    if (!old) return;
    old.hidden = !stale;
    const clock = asOf.toISOString().slice(11, 19);
    const told = `${live.dataset.asOf} ${clock} UTC. ${text}`;
    if (stale && old.textContent !== told) old.textContent = told;
  };

  // Swaps the inside of a part, and gives the focus back to what had it, by its id.
  const swap = (old, fresh) => {
    if (old.innerHTML === fresh.innerHTML && old.className === fresh.className) return;
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    if (focused && (!focused.id || focused.matches("input, textarea, select"))) return;
    const open = [...old.querySelectorAll("details[open][id]")].map(details => details.id);
    old.innerHTML = fresh.innerHTML;
    old.className = fresh.className;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    // What had the focus may be gone, such as the button of what was just done: then what stands first here has it.
    if (focused) (document.getElementById(focused.id) ?? old.querySelector("a[id], button[id]"))?.focus({ preventScroll: true });
  };

  const update = page => {
    for (const set of document.querySelectorAll("[data-set][id]")) {
      const fresh = page.getElementById(set.id);
      const ids = list => [...list.children].map(child => child.id).join(" ");
      if (fresh && ids(set) !== ids(fresh)) swap(set, fresh);
    }
    for (const old of document.querySelectorAll("[data-live][id]")) {
      const fresh = page.getElementById(old.id);
      if (fresh) swap(old, fresh);
    }
    const [glance, fresh] = [document, page].map(where => where.querySelector("main > .glance"));
    if (glance && fresh) glance.className = fresh.className;
    document.title = page.title;
    asOf = new Date();
  };

  const refresh = async () => {
    try {
      const answer = await fetch(live.dataset.from ?? location.href, { signal: AbortSignal.timeout(WITHIN), redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect") return say(live.dataset.out, true);
      if (!answer.ok) throw new Error(String(answer.status));
      update(new DOMParser().parseFromString(await answer.text(), "text/html"));
      failures = 0;
      say(live.dataset.on, false);
    } catch {
      failures += 1;
      say(live.dataset.off, true);
    }
    plan();
  };

  // Slower in a hidden tab, and after failures.
  const plan = () => {
    clearTimeout(timer);
    const wait = document.hidden ? HIDDEN_EVERY : EVERY * Math.min(1 + failures, 6);
    timer = setTimeout(refresh, wait);
  };

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return plan();
    clearTimeout(timer);
    refresh();
  });
  say(live.dataset.on, false);
  plan();
})();
