// The page: shows a stage, follows the pointer, opens and closes boxes, searches, plays passes back.
"use strict";

const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const svg = $("view"), world = $("world"), SVG = "http://www.w3.org/2000/svg";
const state = { stage: DATA.start, open: new Set(), query: "", hit: -1, chosen: null, playing: 0 };
let camera = { x: 0, y: 0, k: 1 }, shown = new Map(), placed = [];

function element(name, attributes, parent, text) {
  const made = document.createElementNS(SVG, name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.appendChild(made);
  return made;
}

const canOpen = (box) => Boolean(box.members) || box.count > 1;
const isOpen = (key, box) => canOpen(box) && state.open.has(key);

// ----- drawing

// All boxes, outermost first, with absolute places and the boxes around them.
function flatten(arranged, x, y, depth, around, list, wires) {
  for (const item of arranged.boxes) {
    const one = { ...item, x: item.x + x, y: item.y + y, depth, around };
    list.push(one);
    if (one.inner) {
      const indent = (one.w - one.inner.w) / 2;
      flatten(one.inner, one.x + indent, one.y + HEAD, depth + 1, one.key, list, wires);
    }
  }
  for (const wire of arranged.wires) wires.push({ ...wire, x, y });
}

function draw(before) {
  const stage = DATA.stages[state.stage];
  const arranged = arrange(stage.drawing, `s${state.stage}`, isOpen);
  const wires = [];
  placed = [];
  flatten(arranged, 0, 0, 0, null, placed, wires);
  const made = new Map();
  const boxes = $("boxes");
  boxes.replaceChildren();
  for (const item of placed) made.set(item.key, drawBox(item, boxes));
  drawWires(wires);
  if (before) animate(before);
  shown = made;
  mark();
  panels(stage);
  return arranged;
}

function drawBox(item, parent) {
  const { box } = item;
  const kinds = ["box", box.kind, box.status, box.wanted && "wanted", item.inner || item.grid ? "open" : ""];
  const group = element("g", { class: kinds.filter(Boolean).join(" "), "data-key": item.key }, parent);
  group.style.setProperty("--h", box.hue);
  group.style.transform = `translate(${item.x}px, ${item.y}px)`;
  if (box.count > 1 && !item.inner && !item.grid) {
    for (const d of [6, 3]) element("rect", { x: d, y: -d, width: item.w, height: item.h, rx: 7 }, group);
  }
  element("rect", { class: "card", width: item.w, height: item.h, rx: 7 }, group);
  const lines = item.inner ? [[box.lines.join("; "), "name"]] : box.lines.map((line) => [line, "name"]);
  if (!item.inner) lines.push(...box.more.map((line) => [line, "more"]));
  lines.forEach(([line, kind], row) => {
    element("text", { class: kind, x: item.w / 2, y: PAD / 2 + LINE * (row + 0.72) }, group, line);
  });
  if (canOpen(box)) {
    const sign = item.inner || item.grid ? "–" : "+";
    element("text", { class: "toggle", x: item.w - 6, y: 13 }, group, sign);
  }
  if (item.grid) drawCells(item, group);
  return group;
}

function drawCells(item, group) {
  const { count, across } = item.grid, { box } = item;
  const each = box.units ? Math.ceil(box.count / box.units) : 1;
  const top = item.h - item.grid.down * CELL - PAD / 2;
  const left = (item.w - across * CELL) / 2;
  for (let i = 0; i < count; i++) {
    const first = Math.floor((i * box.count) / count);
    const parity = Math.floor(first / each) % 2 ? "odd" : "even";
    const place = { x: left + (i % across) * CELL, y: top + Math.floor(i / across) * CELL };
    element("rect", { ...place, class: `cell ${parity}`, width: CELL - 2, height: CELL - 2, rx: 2, "data-first": first }, group);
  }
}

function drawWires(wires) {
  const parent = $("wires");
  parent.replaceChildren();
  for (const wire of wires) {
    const path = element("path", { class: wire.made ? "wire made" : "wire", d: wire.d, "data-from": wire.from }, parent);
    path.setAttribute("transform", `translate(${wire.x} ${wire.y})`);
    if (wire.to) path.dataset.to = wire.to;
    if (wire.x || wire.y) $("boxes").appendChild(path);
  }
}

// Let every box come from where the calls it stands for were before.
function animate(before) {
  const home = new Map();
  for (const item of before) for (const origin of item.box.origins) home.set(origin, item);
  const moved = [];
  for (const item of placed) {
    const from = home.get(item.box.origins[0]);
    const group = document.querySelector(`[data-key="${item.key}"]`);
    const target = group.style.transform;
    group.style.transition = "none";
    if (from) group.style.transform = `translate(${from.x}px, ${from.y}px)`;
    else group.style.opacity = 0;
    moved.push([group, target]);
  }
  for (const path of document.querySelectorAll(".wire")) {
    path.animate([{ opacity: 0 }, { opacity: 0, offset: 0.5 }, { opacity: 1 }], 600);
  }
  svg.getBoundingClientRect(); // the places above must be taken before the new ones
  for (const [group, target] of moved) {
    group.style.transition = group.style.opacity = "";
    group.style.transform = target;
  }
}

// ----- panels

function cells(rows) {
  return rows.map(([name, value]) => {
    const row = document.createElement("tr");
    for (const text of [name, value]) row.appendChild(document.createElement("td")).textContent = text;
    return row;
  });
}

function panels(stage) {
  $("figures").replaceChildren(...cells(DATA.figures));
  $("stage-name").textContent = stage.title;
  $("notes").replaceChildren(...stage.notes.slice(0, 200).map((note) => {
    const item = document.createElement("li");
    item.textContent = note;
    return item;
  }));
  for (const button of $("stages").querySelectorAll("[data-stage]")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.stage) === state.stage));
  }
  const chosen = placed.find((item) => item.key === state.chosen);
  $("chosen").replaceChildren(...(chosen ? details(chosen.box) : []));
}

function details(box, first) {
  const title = document.createElement("b");
  title.textContent = box.name;
  const rows = [...box.details];
  if (first !== undefined) {
    const each = box.units ? Math.ceil(box.count / box.units) : 0;
    rows.unshift(["element", String(first)], ...(each ? [["unit", String(Math.floor(first / each))]] : []));
  }
  const table = document.createElement("table");
  table.replaceChildren(...cells(rows));
  return [title, table];
}

// ----- search

function matches(box, query) {
  return box.words.includes(query) || (box.members ? box.members.boxes.some((b) => matches(b, query)) : false);
}

function mark() {
  const query = state.query.trim().toLowerCase();
  svg.classList.toggle("searching", Boolean(query));
  let hits = 0;
  for (const item of placed) {
    const group = shown.get(item.key);
    const hit = Boolean(query) && matches(item.box, query);
    if (hit && !(item.inner && !item.box.words.includes(query))) hits++;
    group.classList.toggle("hit", hit);
    group.classList.toggle("chosen", item.key === state.chosen);
  }
  $("hits").textContent = query ? `${hits} found` : "";
}

function nextHit() {
  const query = state.query.trim().toLowerCase();
  if (!query) return;
  // A group that hides a match opens, until the match itself is in sight.
  for (let hidden; (hidden = placed.find((item) => item.box.members && !item.inner && matches(item.box, query))); ) {
    state.open.add(hidden.key);
    draw();
  }
  const hits = placed.filter((item) => !item.inner && matches(item.box, query));
  if (!hits.length) return;
  state.hit = (state.hit + 1) % hits.length;
  choose(hits[state.hit].key);
  center(hits[state.hit]);
}

function choose(key) {
  state.chosen = key;
  mark();
  panels(DATA.stages[state.stage]);
}

// ----- the camera

function look() {
  world.setAttribute("transform", `translate(${camera.x} ${camera.y}) scale(${camera.k})`);
}

function fit(arranged) {
  const room = svg.getBoundingClientRect(), edge = 30;
  const whole = Math.min((room.width - 2 * edge) / (arranged.w + 8), (room.height - 2 * edge) / (arranged.h + 8));
  const k = Math.max(0.3, Math.min(whole, 1.4)); // smaller than that, nobody can read it
  camera = { k, x: (room.width - arranged.w * k) / 2, y: Math.max(edge, (room.height - arranged.h * k) / 2) };
  look();
}

function center(item) {
  const room = svg.getBoundingClientRect(), k = Math.max(camera.k, 0.9);
  camera = { k, x: room.width / 2 - (item.x + item.w / 2) * k, y: room.height / 2 - (item.y + item.h / 2) * k };
  look();
}

function zoom(factor, x, y) {
  const k = Math.min(8, Math.max(0.01, camera.k * factor)), real = k / camera.k;
  camera = { k, x: x - (x - camera.x) * real, y: y - (y - camera.y) * real };
  look();
}
