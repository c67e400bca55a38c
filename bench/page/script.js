// What the page can do beyond being read: tell figures under the pointer or at
// the focus, and change its ground. Texts are set as text, never as markup.
"use strict";
(() => {
  const tip = document.getElementById("tip");
  const svgElement = (name, attributes) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const k in attributes) e.setAttribute(k, attributes[k]);
    return e;
  };
  const element = (name, text, cls) => {
    const e = document.createElement(name);
    if (text) e.textContent = text;
    if (cls) e.className = cls;
    return e;
  };

  // show puts the tip beside a place on the screen, and keeps it on it.
  const show = (x, y, ...content) => {
    tip.replaceChildren(...content);
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const left = x + 16 + width > innerWidth - 8 ? x - 16 - width : x + 16;
    tip.style.left = Math.max(8, Math.min(left, innerWidth - width - 8)) + "px";
    tip.style.top = Math.max(8, Math.min(y - height - 12, innerHeight - height - 8)) + "px";
  };
  const hide = () => { tip.hidden = true; };

  for (const row of document.querySelectorAll("[data-tip]")) {
    const text = element("span", row.dataset.tip);
    row.addEventListener("pointermove", (e) => show(e.clientX, e.clientY, text));
    row.addEventListener("pointerleave", hide);
    row.addEventListener("focus", () => {
      const r = row.getBoundingClientRect();
      show(r.left + r.width / 2, r.top, text);
    });
    row.addEventListener("blur", hide);
  }

  // A plot reads at the nearest of its places.
  const plot = (svg, reading) => {
    const panels = svg.dataset.plots.split(";").map((p) => p.split(" ").map(Number));
    const [left, , width] = panels[0];
    const top = panels[0][1], last = panels[panels.length - 1], bottom = last[1] + last[3];
    const overlay = svg.appendChild(svgElement("g", { class: "overlay" }));
    let at = -1;

    const tell = (i, clientX, clientY) => {
      at = i;
      const x = left + reading.x[i] * width;
      const parts = [svgElement("path", { class: "cross", d: `M${x} ${top}V${bottom}` })];
      const lines = [element("b", reading.heads[i])];
      for (const s of reading.series) {
        if (i >= s.y.length) continue;
        const cls = s.class || reading.classes[i];
        const [, y, , height] = panels[s.panel];
        parts.push(svgElement("circle", { class: "mark " + cls, r: 4, cx: x, cy: y + s.y[i] * height }));
        const line = element("p");
        const name = element("span");
        name.append(element("i", "", cls), s.name);
        line.append(name, element("span", s.texts[i]));
        lines.push(line);
      }
      overlay.replaceChildren(...parts);
      if (clientX === undefined) {
        const box = svg.getBoundingClientRect();
        const scale = box.width / svg.viewBox.baseVal.width;
        clientX = box.left + x * scale;
        clientY = box.top + top * scale + 40;
      }
      show(clientX, clientY, ...lines);
    };
    const leave = () => { overlay.replaceChildren(); at = -1; hide(); };

    svg.addEventListener("pointermove", (e) => {
      const box = svg.getBoundingClientRect();
      const x = ((e.clientX - box.left) / box.width * svg.viewBox.baseVal.width - left) / width;
      if (x < -0.02 || x > 1.02) return leave();
      let best = 0;
      reading.x.forEach((v, i) => { if (Math.abs(v - x) < Math.abs(reading.x[best] - x)) best = i; });
      tell(best, e.clientX, e.clientY);
    });
    svg.addEventListener("pointerleave", leave);
    svg.addEventListener("blur", leave);
    svg.addEventListener("keydown", (e) => {
      const end = reading.x.length - 1;
      const to = { ArrowRight: at + 1, ArrowLeft: at < 0 ? end : at - 1, Home: 0, End: end }[e.key];
      if (e.key === "Escape") leave();
      if (to === undefined) return;
      e.preventDefault();
      tell(Math.max(0, Math.min(end, to)));
    });
  };
  for (const figure of document.querySelectorAll(".plot")) {
    const reading = JSON.parse(figure.querySelector("script").textContent);
    for (const svg of figure.querySelectorAll("svg")) plot(svg, reading);
  }

  const button = document.getElementById("theme");
  const themes = ["auto", "light", "dark"];
  button.hidden = false;
  button.addEventListener("click", () => {
    const word = button.querySelector("span");
    const next = themes[(themes.indexOf(word.textContent) + 1) % themes.length];
    word.textContent = next;
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
  });
})();
