"use strict";
(async () => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const places = [...document.querySelectorAll("[data-figure]")];
  const touch = matchMedia("(pointer: coarse)").matches;
  const config = { responsive: true, displayModeBar: false, doubleClick: "reset" };

  const coloured = (value, style) => {
    if (typeof value === "string") {
      return value[0] === "@" ? style.getPropertyValue("--" + value.slice(1)).trim() || value : value;
    }
    if (Array.isArray(value)) return value.map((one) => coloured(one, style));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, coloured(one, style)]));
  };
  const draw = (place) => {
    const style = getComputedStyle(document.documentElement);
    const figure = coloured(figures[place.dataset.figure], style);
    if (touch) figure.layout.dragmode = false;
    if (place.clientWidth < 500) figure.layout.font.size = 11;
    return Plotly.react(place, figure.data, figure.layout, config);
  };
  const all = () => places.forEach(draw);
  const paper = (on) => {
    document.documentElement.classList.toggle("paper", on);
    all();
  };

  try {
    const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    for (const place of places) {
      await draw(place);
      await new Promise((next) => setTimeout(next));
    }
  } catch (error) {
    for (const place of places) place.textContent = "This browser cannot draw the chart; its table is below.";
    throw error;
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  addEventListener("beforeprint", () => paper(true));
  addEventListener("afterprint", () => paper(false));
  document.documentElement.dataset.drawn = places.length;
})();
