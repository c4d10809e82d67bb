"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const scroller = byId("scroller"), inner = byId("inner"), tip = byId("tip"), cursor = byId("cursor");
  const zooms = [1, 2, 4, 8, 16, 32, 64];
  const duration = Number(scroller.dataset.duration) || 1;
  let zoom = 1;

  // Where the tracks begin and how wide they are, in the inner box.
  const track = () => {
    const one = inner.querySelector(".track").getBoundingClientRect(), box = inner.getBoundingClientRect();
    return { left: one.left - box.left, width: one.width };
  };
  const setZoom = (value, part) => {
    const old = track();
    const at = part ?? (scroller.scrollLeft + scroller.clientWidth / 2 - old.left) / old.width;
    zoom = Math.min(64, Math.max(1, value));
    inner.style.width = zoom === 1 ? "" : `${zoom * 100}%`;
    scroller.className = "scroller " + zooms.filter((z) => z <= zoom).map((z) => `z${z}`).join(" ");
    byId("zoom").textContent = `${zoom}×`;
    const now = track();
    scroller.scrollLeft = now.left + at * now.width - scroller.clientWidth / 2;
  };
  byId("in").addEventListener("click", () => setZoom(zoom * 2));
  byId("out").addEventListener("click", () => setZoom(zoom / 2));
  byId("fit").addEventListener("click", () => setZoom(1));
  const decision = byId("decision");
  if (decision) {
    const pin = inner.querySelector(".pins .pin.bad") ?? inner.querySelector(".pins .pin");
    const part = pin.dataset.x / 100;
    decision.addEventListener("click", () => setZoom(duration > 300 ? 64 : 16, part));
    // Where the lanes do not fit into the window, begin there.
    if (scroller.scrollWidth > scroller.clientWidth) setZoom(1, part);
  }
  scroller.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const now = track();
    const at = (event.clientX - inner.getBoundingClientRect().left - now.left) / now.width;
    setZoom(event.deltaY < 0 ? zoom * 2 : zoom / 2, at);
  }, { passive: false });

  const showTip = (mark, x, y) => {
    tip.textContent = mark.getAttribute("aria-label");
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - box.width - 4))}px`;
    tip.style.top = `${y + 20 + box.height > innerHeight ? Math.max(4, y - box.height - 12) : y + 20}px`;
  };
  // A page that scrolls under a mouse at rest must not take the tip of what the keyboard is on.
  const hideTip = () => { tip.hidden = !scroller.querySelector(".m:focus-visible, .pin:focus-visible"); };
  const markOf = (event) => event.target.closest?.(".m, .pins .pin");
  scroller.addEventListener("mousemove", (event) => {
    const mark = markOf(event);
    if (mark) showTip(mark, event.clientX, event.clientY); else hideTip();
  });
  scroller.addEventListener("mouseleave", () => hideTip());
  scroller.addEventListener("focusin", (event) => {
    const mark = markOf(event);
    if (!mark) return;
    const box = mark.getBoundingClientRect();
    showTip(mark, box.left, box.bottom - 8);
  });
  scroller.addEventListener("focusout", () => { tip.hidden = true; });

  // One mark of each row is reached by Tab; arrow keys go on from there, up and down between rows.
  // Errors are drawn last, to lie on top, so the order is that of places.
  const leftOf = (mark) => mark.getBoundingClientRect().left;
  const rowsOfMarks = () => [...inner.querySelectorAll(".pins .track, .track svg[role=group]")]
    .map((row) => [...row.querySelectorAll(".m, .pin")].map((mark) => [leftOf(mark), mark])
      .sort((one, other) => one[0] - other[0]).map(([, mark]) => mark))
    .filter((row) => row.length);
  const go = (mark, to) => {
    if (!to) return;
    mark.setAttribute("tabindex", "-1");
    to.setAttribute("tabindex", "0");
    to.focus();
    to.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  scroller.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { tip.hidden = true; return; }
    const mark = markOf(event);
    if (!mark || event.ctrlKey || event.altKey || event.metaKey) return;
    const rows = rowsOfMarks(), at = rows.findIndex((row) => row.includes(mark)), row = rows[at];
    const place = row.indexOf(mark), left = leftOf(mark);
    const nearest = (other) => other && other.reduce((best, one) =>
      Math.abs(leftOf(one) - left) < Math.abs(leftOf(best) - left) ? one : best);
    const targets = { ArrowRight: row[place + 1], ArrowLeft: row[place - 1], Home: row[0], End: row[row.length - 1] };
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const to = nearest(rows[at + (event.key === "ArrowDown" ? 1 : -1)]);
      if (to) { event.preventDefault(); to.setAttribute("tabindex", "0"); to.focus(); }
    } else if (event.key in targets) {
      event.preventDefault();
      go(mark, targets[event.key]);
    } else if (event.key === "+" || event.key === "-") {
      event.preventDefault();
      setZoom(event.key === "+" ? zoom * 2 : zoom / 2);
    }
  });

  // The log: where a line lies in time, and a filter.
  const rows = byId("rows"), filter = byId("filter"), only = byId("only"), shown = byId("shown");
  rows.addEventListener("mouseover", (event) => {
    const row = event.target.closest("tr[data-t]");
    if (!row) return;
    const now = track();
    cursor.hidden = false;
    cursor.style.left = `${now.left + now.width * Math.min(1, row.dataset.t / duration)}px`;
  });
  rows.addEventListener("mouseleave", () => { cursor.hidden = true; });
  const apply = () => {
    const text = filter.value.trim().toLowerCase();
    let count = 0;
    for (const row of rows.rows) {
      const is = (name) => row.classList.contains(name);
      const visible = !(text || only.checked) || (row.dataset.t !== undefined
        && (!only.checked || is("decisive") || is("bad")) && row.textContent.toLowerCase().includes(text));
      row.hidden = !visible;
      count += visible;
    }
    shown.textContent = text || only.checked ? `${count} lines` : "";
  };
  filter.addEventListener("input", apply);
  only.addEventListener("change", apply);
  const reveal = () => {
    const row = byId(decodeURIComponent(location.hash.slice(1)));
    if (row && row.hidden) { filter.value = ""; only.checked = false; apply(); row.scrollIntoView(); }
  };
  addEventListener("hashchange", reveal);
  document.addEventListener("click", (event) => {
    // The same line again changes no hash.
    const link = event.target.closest?.("a[href^='#n']");
    const row = link && byId(link.getAttribute("href").slice(1));
    if (row && row.hidden) reveal();
  });
})();
