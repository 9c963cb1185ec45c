// What the user does, and what follows.
"use strict";

function goTo(stage) {
  const before = placed;
  state.stage = Math.max(0, Math.min(stage, DATA.stages.length - 1));
  state.chosen = null;
  fit(draw(before));
}

function toggle(key) {
  if (!state.open.delete(key)) state.open.add(key);
  draw();
}

// Open everything, one level after another, up to what a browser draws at ease.
function expandAll() {
  for (let more = true; more && placed.length < 3000; ) {
    const closed = placed.filter((item) => canOpen(item.box) && !state.open.has(item.key));
    more = closed.length > 0;
    for (const item of closed) state.open.add(item.key);
    if (more) draw();
  }
  fit(draw());
}

function play() {
  if (state.playing) return stop();
  if (state.stage === DATA.stages.length - 1) goTo(0);
  $("play").textContent = "❚❚";
  state.playing = setInterval(() => {
    if (state.stage === DATA.stages.length - 1) stop();
    else goTo(state.stage + 1);
  }, 1600);
}

function stop() {
  clearInterval(state.playing);
  state.playing = 0;
  $("play").textContent = "▶";
}

function setUpStages() {
  const nav = $("stages");
  if (DATA.stages.length < 2) return;
  const button = (text, title, act) => {
    const made = nav.appendChild(document.createElement("button"));
    made.textContent = text;
    made.title = title;
    made.addEventListener("click", act);
    return made;
  };
  button("▶", "Play the passes (space)", play).id = "play";
  DATA.stages.forEach((stage, number) => {
    button(stage.name, stage.title, () => goTo(number)).dataset.stage = number;
  });
}

function setUpPointer() {
  const fingers = new Map();
  let moved = 0;
  svg.addEventListener("wheel", (event) => {
    event.preventDefault();
    const room = svg.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - room.left, event.clientY - room.top);
  }, { passive: false });
  svg.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, event);
    moved = 0;
  });
  svg.addEventListener("pointermove", (event) => {
    const last = fingers.get(event.pointerId);
    if (!last) return;
    const dx = event.clientX - last.clientX, dy = event.clientY - last.clientY;
    moved += Math.abs(dx) + Math.abs(dy);
    if (moved > 3) svg.setPointerCapture(event.pointerId), svg.classList.add("dragging");
    if (fingers.size === 2) {
      const other = [...fingers.values()].find((one) => one.pointerId !== event.pointerId);
      const far = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      const room = svg.getBoundingClientRect();
      zoom(far(event) / (far(last) || 1), other.clientX - room.left, other.clientY - room.top);
    } else {
      camera.x += dx;
      camera.y += dy;
      look();
    }
    fingers.set(event.pointerId, event);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    svg.addEventListener(end, (event) => {
      fingers.delete(event.pointerId);
      svg.classList.remove("dragging");
    });
  }
  svg.addEventListener("click", (event) => {
    if (moved > 3) return;
    const group = event.target.closest("[data-key]");
    if (!group) return choose(null);
    const item = placed.find((one) => one.key === group.dataset.key);
    choose(item.key);
    if (canOpen(item.box)) toggle(item.key);
  });
}

function setUpTip() {
  const tip = $("tip");
  svg.addEventListener("pointerover", (event) => {
    const group = event.target.closest("[data-key]");
    for (const path of document.querySelectorAll(".wire.near")) path.classList.remove("near");
    tip.hidden = !group;
    if (!group) return;
    const key = group.dataset.key, first = event.target.dataset.first;
    const item = placed.find((one) => one.key === key);
    tip.replaceChildren(...details(item.box, first));
    for (const path of document.querySelectorAll(`[data-from="${key}"], [data-to="${key}"]`)) path.classList.add("near");
  });
  svg.addEventListener("pointermove", (event) => {
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)}px`;
  });
  svg.addEventListener("pointerleave", () => { tip.hidden = true; });
}

function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

function setUpKeys() {
  const keys = {
    e: expandAll, c: () => $("collapse").click(), f: () => fit(draw()), t: () => $("theme").click(),
    "/": () => $("search").focus(), " ": play,
    ArrowLeft: () => goTo(state.stage - 1), ArrowRight: () => goTo(state.stage + 1),
  };
  document.addEventListener("keydown", (event) => {
    if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
}

$("title").textContent = DATA.title;
$("search").addEventListener("input", (event) => {
  state.query = event.target.value;
  state.hit = -1;
  mark();
});
$("search").addEventListener("keydown", (event) => { if (event.key === "Enter") nextHit(); });
$("expand").addEventListener("click", expandAll);
$("collapse").addEventListener("click", () => { state.open.clear(); fit(draw()); });
$("fit").addEventListener("click", () => fit(draw()));
const darkness = matchMedia("(prefers-color-scheme: dark)");
darkness.addEventListener("change", (event) => setTheme(event.matches));
$("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme !== "dark"));
setTheme(darkness.matches);
setUpStages();
setUpPointer();
setUpTip();
setUpKeys();
fit(draw());
