// Commands that were run, without their secrets, as the node shows them.

const PLACE = "edgelake.history";
const MOST = 200;

export class History {
  constructor() {
    this.kept = [];
    try {
      const found = JSON.parse(localStorage.getItem(PLACE) ?? "[]");
      if (Array.isArray(found)) this.kept = found.filter((one) => typeof one === "string").slice(-MOST);
    } catch {
      // a browser may keep nothing, or somebody wrote there
    }
    this.rest();
  }

  add(command) {
    if (this.kept.at(-1) !== command) this.kept = [...this.kept, command].slice(-MOST);
    try {
      localStorage.setItem(PLACE, JSON.stringify(this.kept));
    } catch {
      // then only this page remembers
    }
    this.rest();
  }

  rest() {
    this.at = this.kept.length;
    this.typed = "";
  }

  /** Return an earlier (-1) or later (1) command, null at the end; what was typed is kept. */
  step(by, now) {
    const to = this.at + by;
    if (to < 0 || to > this.kept.length) return null;
    if (this.at === this.kept.length) this.typed = now;
    this.at = to;
    return to === this.kept.length ? this.typed : this.kept[to];
  }
}
