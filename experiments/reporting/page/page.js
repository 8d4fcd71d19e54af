"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Sorting: what has no value stays at the bottom, in either direction.
  const sort = (table, header) => {
    const column = [...header.parentElement.children].indexOf(header);
    const opposite = { ascending: "descending", descending: "ascending" };
    const order = opposite[header.getAttribute("aria-sort")] || header.dataset.first;
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...table.tBodies[0].rows].map((row) => ({ row, value: row.cells[column].dataset.value }));
    const known = rows.filter(({ value }) => value !== undefined);
    const numeric = !header.classList.contains("name") && known.every(({ value }) => value !== "" && isFinite(value));
    const compare = numeric ? (a, b) => a - b : (a, b) => a.localeCompare(b, "en", { numeric: true });
    known.sort((a, b) => sign * compare(a.value, b.value));
    const unknown = rows.filter(({ value }) => value === undefined);
    table.tBodies[0].append(...[...known, ...unknown].map(({ row }) => row));
    all("[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", order);
  };
  for (const table of all("table.sortable")) {
    for (const header of all("thead th", table)) {
      header.querySelector("button").addEventListener("click", () => sort(table, header));
    }
  }

  // The tooltip: text only, never markup.
  const tip = document.getElementById("tip");
  let ring = null;
  const hide = () => {
    tip.hidden = true;
    if (ring) ring.setAttribute("cx", -20);
    ring = null;
  };
  const say = (text, box) => {
    tip.textContent = text;
    tip.hidden = false;
    const middle = (box.left + box.right) / 2 - tip.offsetWidth / 2;
    const above = box.top - tip.offsetHeight - 10;
    tip.style.left = `${Math.max(8, Math.min(middle, document.documentElement.clientWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${above < 8 ? box.bottom + 10 : above}px`;
  };
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  window.addEventListener("scroll", hide, { passive: true });

  // Charts: the nearest visible point speaks.
  const off = new Set();
  const show = (chart, point) => {
    hide();
    const { title, points } = data.charts[chart.dataset.chart];
    const [x, y, record, text] = points[point];
    const matrix = chart.getScreenCTM();
    ring = chart.querySelector(".ring");
    ring.setAttribute("cx", x);
    ring.setAttribute("cy", y);
    chart.dataset.point = point;
    const left = x * matrix.a + matrix.e, top = y * matrix.d + matrix.f;
    say(`${data.names[record]}\n${title}, ${text}`, { left, right: left, top, bottom: top });
  };
  const shown = (chart) => data.charts[chart.dataset.chart].points
    .map((point, index) => ({ x: point[0], y: point[1], record: point[2], index }))
    .filter(({ record }) => !off.has(record));
  const nearest = (points, x, y) => points.reduce((best, point) => {
    const distance = Math.hypot(point.x - x, point.y - y);
    return best && best.distance <= distance ? best : { ...point, distance };
  }, null);
  const follow = (chart, event) => {
    const matrix = chart.getScreenCTM();
    const x = (event.clientX - matrix.e) / matrix.a, y = (event.clientY - matrix.f) / matrix.d;
    const found = nearest(shown(chart), x, y);
    if (found && found.distance < 40) show(chart, found.index); else hide();
  };
  const walk = (chart, key) => {
    const points = shown(chart);
    const at = points.find(({ index }) => index === Number(chart.dataset.point));
    if (!points.length) return hide();
    if (!at || !key) return show(chart, (at || points[0]).index);
    const sideways = key === "ArrowLeft" || key === "ArrowRight";
    const sign = key === "ArrowRight" || key === "ArrowDown" ? 1 : -1;
    const own = points.filter(({ record }) => record === at.record);
    const place = own.findIndex(({ index }) => index === at.index);
    const records = [...new Set(points.map(({ record }) => record))];
    const other = records[(records.indexOf(at.record) + sign + records.length) % records.length];
    const next = sideways
      ? own[(place + sign + own.length) % own.length]
      : nearest(points.filter(({ record }) => record === other), at.x, at.y);
    show(chart, next.index);
  };
  for (const chart of all("svg[data-chart]")) {
    chart.addEventListener("pointermove", (event) => follow(chart, event));
    chart.addEventListener("pointerdown", (event) => follow(chart, event));
    chart.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
    chart.addEventListener("focus", () => { if (chart.matches(":focus-visible")) walk(chart, ""); });
    chart.addEventListener("blur", hide);
    chart.addEventListener("keydown", (event) => {
      if (!event.key.startsWith("Arrow")) return;
      event.preventDefault();
      walk(chart, event.key);
    });
  }

  // The heat map: one stop for the tabulator, arrow keys from there.
  const heat = document.querySelector("table.heat");
  if (heat) {
    const speak = (cell) => {
      hide();
      if (cell && cell.dataset.tip) {
        say(`${data.names[cell.dataset.record]}\n${cell.dataset.tip}`, cell.getBoundingClientRect());
      }
    };
    const first = heat.querySelector("td[data-tip]");
    if (first) first.tabIndex = 0;
    heat.addEventListener("pointerover", (event) => speak(event.target.closest("td")));
    heat.addEventListener("pointerleave", hide);
    heat.addEventListener("focusin", (event) => speak(event.target));
    heat.addEventListener("focusout", hide);
    heat.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!step || !event.target.dataset.tip) return;
      event.preventDefault();
      const rows = [...heat.tBodies[0].rows].map((row) => all("td:not(.off)", row));
      const row = rows.findIndex((cells) => cells.includes(event.target));
      const target = rows[row + step[0]] && rows[row + step[0]][rows[row].indexOf(event.target) + step[1]];
      if (!target) return;
      event.target.tabIndex = -1;
      target.tabIndex = 0;
      target.focus();
    });
  }

  // The legend: what is switched off leaves every chart below it.
  const members = new Map(data.names.map((_, record) => [record, []]));
  for (const element of all("[data-record]")) members.get(Number(element.dataset.record)).push(element);
  const chips = all("[data-toggle]");
  const turn = (chip, on) => {
    const record = Number(chip.dataset.toggle);
    chip.setAttribute("aria-pressed", on);
    if (on) off.delete(record); else off.add(record);
    members.get(record).forEach((element) => element.classList.toggle("off", !on));
    hide();
  };
  const light = (record) => {
    for (const group of all("svg g[data-record]")) {
      const own = Number(group.dataset.record) === record;
      group.classList.toggle("lit", own);
      group.classList.toggle("dim", record !== null && !own);
    }
  };
  for (const chip of chips) {
    chip.addEventListener("click", () => turn(chip, chip.getAttribute("aria-pressed") !== "true"));
    chip.addEventListener("pointerenter", (event) => {
      if (event.pointerType === "mouse") light(off.has(Number(chip.dataset.toggle)) ? null : Number(chip.dataset.toggle));
    });
    chip.addEventListener("pointerleave", () => light(null));
    chip.addEventListener("focus", () => { if (chip.matches(":focus-visible")) light(Number(chip.dataset.toggle)); });
    chip.addEventListener("blur", () => light(null));
  }
  for (const button of all("[data-all]")) {
    button.addEventListener("click", () => chips.forEach((chip) => turn(chip, button.dataset.all === "true")));
  }
})();
