// A line chart of the last minutes. What it shows is also told in words.

import { clock, h, put, s } from "./dom.js";

const HEIGHT = 132;
const EDGE = { left: 52, right: 10, top: 10, bottom: 20 };
const SPANS_S = [60, 120, 300, 600];

/** Return the next round number at or above a value, for the top of the axis. */
function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

export class Chart {
  /**
   * @param title what is drawn
   * @param lines [{key, label}]: values of the samples
   * @param format returns a value with its unit
   */
  constructor(title, lines, format) {
    Object.assign(this, { title, lines, format, samples: [], at: null });
    this.drawing = s("svg", {
      class: "chart", height: HEIGHT, role: "img", tabindex: "0",
      on: {
        pointermove: (event) => this.point(event.offsetX),
        pointerleave: () => this.choose(null),
        blur: () => this.choose(null),
        keydown: (event) => this.step(event),
      },
    });
    this.legend = h("p", { class: "legend" });
    this.element = h("figure", {}, h("figcaption", {}, title), this.legend, this.drawing);
    this.watcher = new ResizeObserver(() => this.draw());
    this.watcher.observe(this.drawing.parentElement);
  }

  show(samples) {
    this.samples = samples;
    if (this.at !== null && !samples.includes(this.at)) this.at = null;
    this.draw();
  }

  close() {
    this.watcher.disconnect();
  }

  choose(sample) {
    this.at = sample;
    this.draw();
  }

  point(x) {
    const place = (sample) => Math.abs(this.x(sample.time_s) - x);
    const near = this.samples.reduce((best, one) => (!best || place(one) < place(best) ? one : best), null);
    this.choose(near);
  }

  step(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || !this.samples.length) return;
    event.preventDefault();
    const last = this.samples.length - 1;
    const from = this.at === null ? last + (by < 0 ? 1 : 0) : this.samples.indexOf(this.at);
    this.choose(this.samples[Math.min(last, Math.max(0, from + by))]);
  }

  x(time_s) {
    const room = this.width - EDGE.left - EDGE.right;
    return EDGE.left + room * (1 - (this.end - time_s) / this.span);
  }

  y(value) {
    const room = HEIGHT - EDGE.top - EDGE.bottom;
    return EDGE.top + room * (1 - value / this.top);
  }

  draw() {
    this.width = this.drawing.clientWidth || this.drawing.parentElement?.clientWidth || 0;
    if (!this.width) return;
    this.end = this.samples.at(-1)?.time_s ?? 0;
    const age = this.end - (this.samples[0]?.time_s ?? 0);
    this.span = SPANS_S.find((span) => span >= age) ?? SPANS_S.at(-1);
    const shown = this.samples.filter((sample) => sample.time_s > this.end - this.span);
    const values = shown.flatMap((one) => this.lines.map((line) => one[line.key])).filter((v) => v !== null);
    this.top = roundUp(Math.max(0, ...values));
    put(this.drawing, this.axes(), this.lines.map((line, n) => this.line(shown, line, n)), this.mark());
    this.tell(shown);
  }

  axes() {
    const right = this.width - EDGE.right;
    const rows = [0, 0.5, 1].map((part) => {
      const y = this.y(part * this.top);
      return [
        s("line", { class: "grid", x1: EDGE.left, x2: right, y1: y, y2: y }),
        s("text", { x: EDGE.left - 8, y: y + 4, "text-anchor": "end" }, this.format(part * this.top)),
      ];
    });
    const times = [[this.span, `${this.span / 60} min ago`, "start"], [0, "now", "end"]];
    return [rows, times.map(([ago, label, anchor]) =>
      s("text", { x: this.x(this.end - ago), y: HEIGHT - 4, "text-anchor": anchor }, label))];
  }

  line(shown, { key }, number) {
    let path = "";
    let open = false;
    let alone = true;
    for (const sample of shown) {
      const value = sample[key];
      if (value === null) {
        if (open && alone) path += "h0.1"; // a point between two gaps
        open = false;
        continue;
      }
      alone = !open;
      path += `${open ? "L" : "M"}${this.x(sample.time_s).toFixed(1)} ${this.y(value).toFixed(1)}`;
      open = true;
    }
    if (open && alone) path += "h0.1";
    return s("path", { class: `line line-${number}`, d: path, data: { key } });
  }

  mark() {
    if (this.at === null) return null;
    const x = this.x(this.at.time_s);
    const points = this.lines.filter(({ key }) => this.at[key] !== null);
    return s("g", {},
      s("line", { class: "mark", x1: x, x2: x, y1: EDGE.top, y2: HEIGHT - EDGE.bottom }),
      points.map(({ key }) => s("circle", { class: "mark", cx: x, cy: this.y(this.at[key]), r: 3 })));
  }

  tell(shown) {
    const sample = this.at ?? shown.at(-1);
    const said = this.lines.map(({ key, label }, number) => [label, sample ? this.format(sample[key]) : "–", number]);
    put(this.legend,
      said.map(([label, value, number]) =>
        h("span", { class: `key key-${number}` }, h("i"), `${label} `, h("b", {}, value))),
      this.at ? h("span", { class: "quiet" }, clock(this.at.time_s)) : null);
    const words = said.map(([label, value]) => `${label} ${value}`).join(", ");
    this.drawing.setAttribute("aria-label", `${this.title}: ${words}`);
  }
}
