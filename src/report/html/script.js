"use strict";
// The filter. All there is to read is in the page; without this script, nothing is missing.
(() => {
  const bar = document.getElementById("filter");
  const rows = [...document.querySelectorAll("[data-outcome]")];
  const wanted = new Set();
  // Read once, when it is first needed: a page may hold ten thousand lines.
  let texts;

  const read = () => rows.map((row) => ({
    row,
    text: row.textContent.toLowerCase(),
    members: [...row.querySelectorAll(".members > li")].map((line) => ({
      line,
      text: line.textContent.toLowerCase(),
    })),
  }));

  const show = (element, is) => {
    if (element.hidden === is) element.hidden = !is;
  };

  const filter = (words) => {
    texts ??= read();
    let shown = 0;
    for (const { row, text, members } of texts) {
      const isWanted = wanted.size === 0 || wanted.has(row.dataset.outcome);
      const is = isWanted && words.every((word) => text.includes(word));
      show(row, is);
      shown += is ? 1 : 0;
      if (!is || members.length === 0) continue;
      // A word of the row as a whole leaves all of its lines.
      const hits = members.filter((member) => words.every((word) => member.text.includes(word)));
      const some = hits.length > 0 ? new Set(hits) : null;
      for (const member of members) show(member.line, !some || some.has(member));
      if (some && some.size <= 250 && words.length > 0) row.querySelector("details").open = true;
    }
    return shown;
  };

  const build = () => {
    const text = document.createElement("input");
    text.type = "search";
    text.placeholder = "Filter: flow, address, words";
    text.setAttribute("aria-label", "Show only rows with these words");
    const said = document.createElement("output");
    const run = () => {
      const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
      const shown = filter(words);
      const all = words.length === 0 && wanted.size === 0;
      said.textContent = all ? "" : `${shown} of ${rows.length} rows`;
    };
    text.addEventListener("input", run);
    bar.append(text);
    for (const outcome of ["fail", "unknown", "warn", "pass", "skip"]) {
      if (!rows.some((row) => row.dataset.outcome === outcome)) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = outcome;
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        const is = wanted.delete(outcome) ? false : Boolean(wanted.add(outcome));
        button.setAttribute("aria-pressed", String(is));
        run();
      });
      bar.append(button);
    }
    bar.append(said);
    bar.hidden = false;
  };

  // A link to a row opens its drawer.
  const follow = () => {
    const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const drawer = row?.querySelector("details");
    if (drawer) drawer.open = true;
  };

  // On paper nothing can be opened: what needs somebody to act is printed open.
  const open = () => {
    for (const outcome of ["fail", "unknown"]) {
      const drawers = document.querySelectorAll(`[data-outcome="${outcome}"] details:not([open])`);
      for (const drawer of drawers) drawer.open = true;
    }
  };

  if (bar && rows.length > 1) build();
  addEventListener("hashchange", follow);
  addEventListener("beforeprint", open);
  follow();
})();
