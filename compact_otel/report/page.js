"use strict";
// The page is whole without this: it only walks through the calls and searches the list.
const byId = (id) => document.getElementById(id);

const rows = [...(byId("calls")?.rows ?? [])];
if (rows.length > 1) {
  const slide = byId("call");
  const names = [...rows[0].closest("table").tHead.rows[0].cells].map((cell) => cell.textContent);
  const numbers = rows.map((row) => Number(row.cells[0].textContent));
  const show = () => {
    const wanted = Number(slide.value);
    const nearest = numbers.findIndex((number) => number >= wanted);
    const row = rows[nearest < 0 ? rows.length - 1 : nearest];
    const [number, items, tokens, whole, ...rest] = [...row.cells].map((cell) => cell.textContent);
    const compaction = rest.pop();
    const layers = rest
      .map((amount, index) => [names[index + 4], amount])
      .filter(([, amount]) => amount !== "0")
      .map(([name, amount]) => `${name.toLowerCase()} ${amount}`);
    const told = compaction ? `, after compaction ${compaction}` : "";
    byId("at-call").textContent =
      `${number} of ${slide.max}: ${tokens.replace("*", "")} tokens${told} (${whole} without compaction), ` +
      `history of ${items} items; made of ${layers.join(" · ")}`;
    for (const svg of document.querySelectorAll("svg.chart")) {
      const left = Number(svg.dataset.left);
      const right = Number(svg.dataset.right);
      const last = Number(slide.max);
      const x = left + ((right - left) * (Number(number) - 1)) / (last - 1);
      const cursor = svg.querySelector(".cursor");
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      svg.classList.add("scrubbed");
    }
  };
  slide.addEventListener("input", show);
  show();
  slide.closest(".scrubber").hidden = false;
  for (const svg of document.querySelectorAll("svg.chart")) {
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const at = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
      const left = Number(svg.dataset.left);
      const part = (at - left) / (Number(svg.dataset.right) - left);
      slide.value = Math.round(1 + part * (Number(slide.max) - 1));
      show();
    });
  }
}

const list = byId("items");
if (list) {
  const [search, ofKind] = ["search", "of-kind"].map(byId);
  const groups = [...list.children].map((group) => [group, [...group.querySelectorAll("li")]]);
  const texts = new Map();
  const textOf = (item) => {
    if (!texts.has(item)) texts.set(item, item.textContent.toLowerCase());
    return texts.get(item);
  };
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const asked = words.length > 0 || ofKind.value !== "";
    let found = 0;
    for (const [group, items] of groups) {
      let here = 0;
      for (const item of items) {
        const fits =
          (!ofKind.value || ofKind.value === item.dataset.kind) &&
          words.every((word) => textOf(item).includes(word));
        item.hidden = !fits;
        here += fits;
      }
      group.hidden = here === 0;
      group.open = asked && here > 0;
      found += here;
    }
    const all = groups.reduce((sum, [, items]) => sum + items.length, 0);
    byId("found").textContent = asked ? `${found} of ${all}` : "";
  };
  search.addEventListener("input", filter);
  ofKind.addEventListener("change", filter);
  for (const link of document.querySelectorAll(".see a")) {
    link.addEventListener("click", () => {
      search.value = ofKind.value = "";
      filter();
      document.querySelector(link.hash).closest("details").open = true;
    });
  }
  list.previousElementSibling.hidden = false;
}
