"use strict";
// The timeline of a report: reads the rows in the page, draws those in sight, filters them, and unfolds payloads.
// Nothing is loaded, and no text becomes markup: elements are made one by one.
(() => {
  const $ = (id) => document.getElementById(id);
  const list = $("rows"), input = $("filter"), found = $("found"), theme = $("theme");

  function make(name, style, ...children) {
    const element = document.createElement(name);
    if (style) element.className = style;
    element.append(...children);
    return element;
  }

  // Light and dark.

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
  const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  function switchTheme() {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    nameTheme();
  }
  theme.hidden = false;
  theme.addEventListener("click", switchTheme);
  dark.addEventListener("change", nameTheme);
  nameTheme();
  if (typeof DecompressionStream === "undefined") return; // The plain table stays.

  // Rows, as columns: number, microseconds, connection, kind, bytes, decoded bytes, sequence, payload, summary.

  const data = { n: [], at: [], c: [], w: [], b: [], e: [], s: [], p: [], t: [] };
  const kinds = [], findings = new Map();
  const PLANE = 0, KIND = 1, SORT = 2, MARK = 3, WORD = 4, OP = 5, NAME = 6, MEANING = 7;
  const SEVERITIES = ["info", "warn", "error"];

  async function inflated(block) {
    const raw = atob(block.textContent), bytes = new Uint8Array(raw.length);
    for (let at = 0; at < raw.length; at++) bytes[at] = raw.charCodeAt(at);
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
  }

  async function load() {
    for (const block of document.querySelectorAll("script.rows")) {
      const read = JSON.parse(await inflated(block)), start = data.n.length;
      block.remove();
      kinds.push(...read.k);
      for (const [at, noticed] of Object.entries(read.f)) findings.set(start + Number(at), noticed);
      let row = 0, time = 0;
      for (let at = 0; at < read.n.length; at++) {
        row += read.n[at];
        time += read.at[at];
        data.n.push(row);
        data.at.push(time);
      }
      for (const name of ["c", "w", "b", "e", "s", "p", "t"]) for (const value of read[name]) data[name].push(value);
    }
  }

  // Payloads: lines of a number and JSON, in blocks that are read when one of theirs is wanted.

  const blocks = [...document.querySelectorAll("script.payloads")].map((element) => (
    { element, first: Number(element.dataset.first), last: Number(element.dataset.last), lines: null }
  ));

  async function payload(row) {
    const block = blocks.find((each) => each.first <= row && row <= each.last);
    if (!block) return null;
    if (!block.lines) {
      for (const other of blocks) other.lines = null;
      block.lines = inflated(block.element).then((text) => new Map(text.split("\n").map((line) => {
        const end = line.indexOf("\t");
        return [Number(line.slice(0, end)), line.slice(end + 1)];
      })));
    }
    return (await block.lines).get(row) ?? null;
  }

  // JSON as it is written, so that no digit and no escape of it changes.

  function parsed(text) {
    const token = /("(?:[^"\\]|\\.)*")|([-+.\w]+)|([{}[\],:])/g;
    const root = { items: [] }, stack = [root];
    let key = null;
    const put = (node) => {
      stack[stack.length - 1].items.push([key, node]);
      key = null;
    };
    for (let part, last = null; (part = token.exec(text)); last = part[0]) {
      const [, string, word, sign] = part;
      if (sign === "{" || sign === "[") {
        const node = { sign, items: [] };
        put(node);
        stack.push(node);
      } else if (sign === "}" || sign === "]") {
        if (stack.length > 1) stack.pop();
      } else if (sign === ":") {
        key = stack[stack.length - 1].items.pop()[1].text;
      } else if (!sign) {
        put({ text: string ?? word, sort: string ? "string" : /^[-\d]/.test(word) ? "digits" : "word" });
      }
    }
    return root.items.length ? root.items[0][1] : { text: "", sort: "word" };
  }

  const MOST_ITEMS = 200;

  function drawn(key, node, depth) {
    const label = key === null ? [] : [make("span", "name", key), ": "];
    if (!node.sign) return make("div", "leaf", ...label, make("span", node.sort, node.text));
    const [begins, ends, noun] = node.sign === "{" ? ["{", "}", "key"] : ["[", "]", "item"];
    const count = node.items.length;
    if (!count) return make("div", "leaf", ...label, begins + ends);
    const told = make("span", "quiet", `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`);
    const folded = make("details", "node", make("summary", "", ...label, `${begins} `, told, ` ${ends}`));
    let shown = 0;
    const more = () => {
      const next = node.items.slice(shown, shown + MOST_ITEMS);
      const numbers = node.sign === "[";
      folded.append(...next.map(([name, child], at) => drawn(numbers ? String(shown + at) : name, child, depth + 1)));
      shown += next.length;
      if (shown < count) {
        const button = make("button", "", `${(count - shown).toLocaleString("en")} more`);
        button.addEventListener("click", () => { button.remove(); more(); measure(); });
        folded.append(button);
      }
    };
    folded.addEventListener("toggle", () => {
      if (folded.open && !shown) more();
      measure();
    });
    if (depth < 2 || (depth < 4 && count <= 8)) {
      more();
      folded.open = true;
    }
    return folded;
  }

  // The rows in sight.

  let rows = null; // Places in `data` that pass the filter; null: all.
  let height = 26, open = -1, detail = null, detailHeight = 0, current = -1, painted = "";
  const count = () => (rows ? rows.length : data.n.length);
  const placeOf = (position) => (rows ? rows[position] : position);
  const top = (position) => position * height + (open >= 0 && position > open ? detailHeight : 0);

  function positionAt(y) {
    if (open >= 0 && y > (open + 1) * height) y = Math.max(y - detailHeight, (open + 1) * height - 1);
    return Math.max(Math.min(Math.floor(y / height), count() - 1), 0);
  }

  function size(bytes) {
    if (bytes < 1000) return `${bytes} B`;
    let value = bytes / 1000, unit = 0;
    while (value >= 999.5 && unit < 3) { value /= 1000; unit++; }
    return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${["kB", "MB", "GB", "TB"][unit]}`;
  }

  function since(us) {
    if (us < 0) us = 0;
    if (us < 999500) return `+${Math.round(us / 1000)} ms`;
    if (us < 59995000) return `+${(us / 1e6).toFixed(2)} s`;
    const minutes = Math.floor(us / 6e7), seconds = Math.round((us % 6e7) / 1e6);
    return minutes < 60 ? `+${minutes}:${String(seconds).padStart(2, "0")}` : `+${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }

  let days = false; // It goes over several of them, so times need their dates.
  const when = (place) => new Date(data.at[place] / 1000).toISOString();

  function worst(place) {
    let level = -1;
    for (const [severity] of findings.get(place) ?? []) level = Math.max(level, SEVERITIES.indexOf(severity));
    return level < 0 ? "" : SEVERITIES[level];
  }

  function line(position) {
    const place = placeOf(position), kind = kinds[data.w[place]], severity = worst(place);
    const cell = (style, ...children) => {
      const made = make("span", style, ...children);
      made.setAttribute("role", "cell");
      return made;
    };
    const summary = cell("summary", data.t[place]);
    if (severity) summary.prepend(make("span", `badge ${severity}`, severity.toUpperCase()), " ");
    const row = make("div", `row ${severity} ${position === current ? "current" : ""}`,
      cell("n", data.n[place].toLocaleString("en")),
      cell("time", when(place).slice(days ? 5 : 11, 23).replace("T", " ")),
      cell("since", position ? since(data.at[place] - data.at[placeOf(position - 1)]) : ""),
      cell(`conn c${data.c[place] % 5}`, `#${data.c[place]}`),
      cell(`dir ${kind[SORT]}`, kind[MARK], make("span", "word", ` ${kind[WORD]}`)),
      cell("op", kind[OP]),
      cell("name", kind[NAME]),
      cell("bytes", data.b[place] ? size(data.b[place]) : ""),
      summary);
    row.id = `v${data.n[place]}`;
    row.dataset.position = position;
    row.setAttribute("role", "row");
    row.setAttribute("aria-rowindex", position + 1);
    row.setAttribute("aria-expanded", position === open);
    return row;
  }

  function paint(always = false) {
    const total = count(), y = -list.getBoundingClientRect().top;
    const first = Math.max(positionAt(y) - 10, 0), last = Math.min(positionAt(y + innerHeight) + 10, total - 1);
    const state = `${first} ${last}`;
    if (!always && state === painted) return;
    painted = state;
    list.style.height = `${Math.max(total * height + (open >= 0 ? detailHeight : 0), height)}px`;
    list.style.paddingTop = `${top(first)}px`;
    const drawn = [];
    for (let position = first; position <= last; position++) {
      drawn.push(line(position));
      if (position === open && detail) drawn.push(detail);
    }
    if (!total) drawn.push(make("p", "quiet none", busy ? "Searching payloads…" : "No row matches. Esc clears the filter."));
    list.replaceChildren(...drawn);
    if (current >= 0 && current < total) list.setAttribute("aria-activedescendant", `v${data.n[placeOf(current)]}`);
  }

  function measure() {
    if (!detail || !detail.isConnected) return;
    const now = detail.offsetHeight;
    if (now === detailHeight) return;
    detailHeight = now;
    paint(true);
  }

  // Unfolding.

  function link(row) {
    const anchor = make("a", "", row.toLocaleString("en"));
    anchor.href = `#r${row}`;
    return anchor;
  }

  function only(term) {
    const anchor = make("a", "", term);
    anchor.href = "#timeline";
    anchor.dataset.filter = term;
    return anchor;
  }

  function fold() {
    open = -1;
    detail = null;
    detailHeight = 0;
    paint(true);
  }

  async function unfold(position) {
    const place = placeOf(position), row = data.n[place], kind = kinds[data.w[place]];
    const facts = [
      when(place).replace("T", " ").replace("Z", " UTC"), `connection ${data.c[place]} (${kind[PLANE]})`,
      data.s[place] >= 0 ? `sequence ${data.s[place]}` : "",
      data.b[place] ? `${data.b[place].toLocaleString("en")} bytes on the wire` : "",
      data.e[place] && data.e[place] !== data.b[place] ? `${data.e[place].toLocaleString("en")} decoded` : "",
    ].filter(Boolean);
    const same = make("p", "quiet", "Only ", only(`conn:${data.c[place]}`), " · ", only(`event:"${kind[NAME]}"`));
    const made = detail = make("div", "detail", make("p", "quiet", facts.join(" · ")));
    made.dataset.position = position;
    if (data.t[place]) made.append(make("p", "whole", data.t[place]));
    if (kind[MEANING]) made.append(make("p", "quiet", kind[MEANING]));
    for (const [severity, rule, text, evidence] of findings.get(place) ?? []) {
      const said = make("p", "", make("span", `badge ${severity}`, severity.toUpperCase()), " ", make("code", "", rule), ` ${text} `);
      evidence.forEach((other, at) => said.append(at ? ", " : "row ", link(other)));
      made.append(said);
    }
    const state = data.p[place];
    made.append(same);
    if (state === 3) made.append(make("p", "quiet", "The payload is left out of this report; see the end of the page."));
    if (state === 2) made.append(make("p", "quiet", "The payload is large: long lists, objects and texts are shortened."));
    open = position;
    detailHeight = 0;
    paint(true);
    measure();
    if (state === 1 || state === 2) {
      const text = await payload(row);
      if (detail !== made || text === null) return;
      const tree = make("div", "json"), root = parsed(text);
      tree.append(...(root.sign === "{" ? root.items.map(([key, node]) => drawn(key, node, 0)) : [drawn(null, root, 0)]));
      made.append(tree);
      measure();
    }
  }

  const toggle = (position) => (position === open ? fold() : unfold(position));

  // Going places.

  function show(position, share = 0.3) {
    const y = list.getBoundingClientRect().top + scrollY + top(position);
    const inSight = y > scrollY + 140 && y + height < scrollY + innerHeight - 20;
    if (share !== null || !inSight) scrollTo(0, y - innerHeight * (share ?? 0.4));
    paint(true);
  }

  function go(position) {
    if (!count()) return;
    current = Math.max(Math.min(position, count() - 1), 0);
    show(current, null);
  }

  function search(values, wanted, length) {
    let low = 0, high = length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values(middle) < wanted) low = middle + 1; else high = middle;
    }
    return low;
  }

  function jump(row) {
    const place = search((at) => data.n[at], row, data.n.length);
    if (data.n[place] !== row) {
      found.textContent = `Row ${row.toLocaleString("en")} is not in this report.`;
      return;
    }
    let position = search(placeOf, place, count());
    if (position >= count() || placeOf(position) !== place) {
      input.value = "";
      filter();
      position = place;
    }
    current = position;
    unfold(position);
    show(position);
    list.focus({ preventScroll: true });
  }

  function follow() {
    const row = /^#r(\d+)$/.exec(location.hash);
    if (row) jump(Number(row[1]));
  }

  function nextFinding(way) {
    for (let position = current + way; position >= 0 && position < count(); position += way) {
      if (findings.has(placeOf(position))) return go(position);
    }
  }

  // Which payloads have a text in them: all of them are read for that, once for each text.

  const searched = new Map();

  async function searchPayloads(text) {
    const passing = new Set();
    for (const block of blocks) {
      for (const line of (await inflated(block.element)).split("\n")) {
        if (line.toLowerCase().includes(text)) passing.add(parseInt(line, 10));
      }
    }
    searched.set(text, passing);
    filter();
  }

  // The filter: terms that all have to match.

  const escaped = (text) => text.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");

  function number(text) {
    const part = /^([\d.]+)([km]?)$/i.exec(text);
    return part ? Number(part[1]) * ({ k: 1e3, m: 1e6 }[part[2].toLowerCase()] ?? 1) : NaN;
  }

  function numeric(text) {
    const tests = text.split(",").map((part) => {
      const range = /^([\d.]+[km]?)-([\d.]+[km]?)$/i.exec(part), bound = /^([<>]=?)(.+)$/.exec(part);
      if (range) return (value) => value >= number(range[1]) && value <= number(range[2]);
      const limit = number(bound ? bound[2] : part.replace(/^#/, ""));
      switch (bound?.[1]) {
        case ">": return (value) => value > limit;
        case ">=": return (value) => value >= limit;
        case "<": return (value) => value < limit;
        case "<=": return (value) => value <= limit;
      }
      return (value) => value === limit;
    });
    return (value) => tests.some((test) => test(value));
  }

  const ofKind = (test) => {
    const passing = kinds.map(test);
    return (place) => passing[data.w[place]];
  };
  const oneOf = (text) => {
    const wanted = text.toLowerCase().split(",");
    return (value) => wanted.includes(String(value).toLowerCase());
  };
  const FIELDS = {
    op: (text) => ofKind((kind) => oneOf(text)(kind[OP] || (kind[KIND] === "payload" ? kind[NAME] : ""))),
    event: (text) => {
      const pattern = new RegExp(`^(${text.split(",").map(escaped).join("|")})$`, "i");
      return ofKind((kind) => pattern.test(kind[NAME]));
    },
    dir: (text) => ofKind((kind) => oneOf(text)(kind[SORT]) || oneOf(text)(kind[WORD])),
    plane: (text) => ofKind((kind) => oneOf(text)(kind[PLANE])),
    kind: (text) => ofKind((kind) => oneOf(text)(kind[KIND])),
    conn: (text) => { const test = numeric(text); return (place) => test(data.c[place]); },
    row: (text) => { const test = numeric(text); return (place) => test(data.n[place]); },
    seq: (text) => { const test = numeric(text); return (place) => data.s[place] >= 0 && test(data.s[place]); },
    bytes: (text) => { const test = numeric(text); return (place) => test(data.b[place]); },
    payload: (text) => {
      const part = text.toLowerCase(), passing = searched.get(part);
      if (passing) return (place) => passing.has(data.n[place]);
      if (passing === undefined) {
        searched.set(part, null);
        searchPayloads(part);
      }
      busy = true;
      return () => false;
    },
    finding: (text) => {
      const level = SEVERITIES.indexOf(text.toLowerCase()), part = text.toLowerCase();
      return (place) => (findings.get(place) ?? []).some(([severity, rule]) => (
        level >= 0 ? SEVERITIES.indexOf(severity) >= level : rule.includes(part)
      ));
    },
  };

  function word(text) {
    const part = text.toLowerCase(), named = kinds.map((kind) => kind[NAME].toLowerCase().includes(part));
    return (place) => named[data.w[place]] || data.t[place].toLowerCase().includes(part)
      || (findings.get(place) ?? []).some(([, rule, said]) => rule.includes(part) || said.toLowerCase().includes(part));
  }

  let busy = false;

  function terms(text) {
    const tests = [];
    busy = false;
    for (const [, not, field, quoted, plain] of text.matchAll(/(-?)(?:([a-z]+):)?(?:"([^"]*)"|([^\s"]\S*))/gi)) {
      const value = quoted ?? plain, known = field && Object.hasOwn(FIELDS, field.toLowerCase());
      const test = known ? FIELDS[field.toLowerCase()](value) : word(field ? `${field}:${value}` : value);
      tests.push(not ? (place) => !test(place) : test);
    }
    return tests;
  }

  function filter() {
    const kept = current >= 0 && current < count() ? placeOf(current) : -1;
    const tests = terms(input.value);
    rows = null;
    if (tests.length) {
      const passing = [];
      for (let place = 0; place < data.n.length; place++) if (tests.every((test) => test(place))) passing.push(place);
      rows = Int32Array.from(passing);
    }
    current = kept < 0 ? -1 : search(placeOf, kept, count());
    if (current >= count() || placeOf(current) !== kept) current = -1;
    const all = data.n.length.toLocaleString("en");
    found.textContent = busy ? "searching…" : rows ? `${rows.length.toLocaleString("en")} of ${all} rows` : `${all} rows`;
    for (const chip of document.querySelectorAll("[data-term]")) {
      chip.setAttribute("aria-pressed", input.value.split(/\s+/).includes(chip.dataset.term));
    }
    $("virtual").setAttribute("aria-rowcount", count());
    fold();
    // Those who looked at the middle of the rows are to see the first that pass.
    const from = $("virtual").getBoundingClientRect().top + scrollY - $("controls").offsetHeight;
    if (scrollY > from) scrollTo(0, from);
  }

  let waiting = 0;
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 100);
  });
  input.form.addEventListener("submit", (event) => {
    event.preventDefault();
    filter();
    go(0);
    list.focus({ preventScroll: true });
  });
  for (const chip of document.querySelectorAll("[data-term]")) {
    chip.addEventListener("click", () => {
      const parts = input.value.split(/\s+/).filter(Boolean), term = chip.dataset.term;
      input.value = (parts.includes(term) ? parts.filter((part) => part !== term) : [...parts, term]).join(" ");
      filter();
    });
  }

  // Mouse and keys.

  list.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (!row || event.target.closest("a") || String(getSelection())) return;
    current = Number(row.dataset.position);
    toggle(current);
  });
  document.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-filter]");
    if (chosen) {
      event.preventDefault();
      input.value = chosen.dataset.filter;
      filter();
      scrollTo(0, $("timeline").getBoundingClientRect().top + scrollY);
      return;
    }
    const anchor = event.target.closest('a[href^="#r"]');
    if (anchor && anchor.getAttribute("href") === location.hash) follow();
  });

  const KEYS = {
    "/": () => input.focus(),
    j: () => go(current + 1),
    k: () => go(current - 1),
    n: () => nextFinding(1),
    N: () => nextFinding(-1),
    g: () => go(0),
    G: () => go(count() - 1),
    t: switchTheme,
    Escape: () => (open >= 0 ? fold() : input.value && ((input.value = ""), filter())),
  };
  const IN_LIST = { ArrowDown: KEYS.j, ArrowUp: KEYS.k, Home: KEYS.g, End: KEYS.G };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === input) {
      if (event.key === "Escape") {
        if (!input.value) input.blur();
        input.value = "";
        filter();
        event.preventDefault();
      }
      return;
    }
    const onControl = event.target.closest("a, button, summary, input");
    const key = KEYS[event.key] ?? (event.target === list ? IN_LIST[event.key] : undefined);
    if (key) {
      key();
      event.preventDefault();
    } else if ((event.key === "Enter" || (event.key === " " && event.target === list)) && !onControl && current >= 0) {
      toggle(current);
      event.preventDefault();
    }
  });

  let asked = false;
  function soon() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      paint();
    });
  }
  // What depends on the width of the screen: how high a row is, and where its titles stay in sight.
  function fit() {
    height = parseFloat(getComputedStyle(list).getPropertyValue("--row")) || 26;
    $("virtual").style.setProperty("--under", `${$("controls").offsetHeight}px`);
  }
  addEventListener("scroll", soon, { passive: true });
  addEventListener("resize", () => {
    fit();
    painted = "";
    measure();
    soon();
  });
  addEventListener("hashchange", follow);

  load().then(() => {
    $("plain").hidden = true;
    $("virtual").hidden = $("controls").hidden = $("help").hidden = false;
    fit();
    days = data.n.length > 0 && when(0).slice(0, 10) !== when(data.n.length - 1).slice(0, 10);
    $("virtual").classList.toggle("days", days);
    filter();
    document.documentElement.dataset.ready = "yes";
    follow();
  });
})();
