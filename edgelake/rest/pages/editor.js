// The line that a command is typed into: colours, what may follow, a hint. The node says all of it.

import { send } from "./api.js";
import { h, put } from "./dom.js";

const PAUSE_MS = 60;
const SHOWN = 60;

export class Editor {
  /**
   * @param run is called with what was entered
   * @param history the commands before
   * @param signal ends what is under way
   */
  constructor(run, history, signal) {
    Object.assign(this, { run, history, signal, offers: [], chosen: -1, entered: false, asked: 0 });
    this.paint = h("pre", { "aria-hidden": "true" });
    this.field = h("textarea", {
      rows: "1", "aria-label": "Command", role: "combobox", "aria-expanded": "false", "aria-autocomplete": "list",
      "aria-controls": "offers", "aria-describedby": "hinted", autocomplete: "off", autocapitalize: "off", spellcheck: "false",
      placeholder: "get status", data: { first: "" },
      on: { input: () => this.changed(), keydown: (event) => this.key(event), click: () => this.look(), blur: () => this.close() },
    });
    this.hinted = h("p", { class: "hinted", id: "hinted", "aria-live": "polite" });
    this.list = h("ul", { class: "offers", id: "offers", role: "listbox", "aria-label": "What may follow", hidden: true });
    this.element = h("div", { class: "panel prompt" },
      h("div", { class: "editor" }, this.paint, this.field), this.hinted, this.list);
  }

  get text() {
    return this.field.value;
  }

  set(text, cursor = text.length) {
    this.field.value = text;
    this.field.setSelectionRange(cursor, cursor);
    this.changed();
  }

  changed() {
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight}px`;
    put(this.paint, this.text); // plain at once, coloured when the node has read it
    this.close();
    this.look();
  }

  look() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.read(), PAUSE_MS);
  }

  async read() {
    const [text, cursor, turn] = [this.text, this.field.selectionStart, ++this.asked];
    let found;
    try {
      // The node counts characters, the browser halves of some of them.
      const before = [...text.slice(0, cursor)].length;
      found = await send("complete", { text, cursor: before }, this.signal);
    } catch (error) {
      if (!this.signal.aborted) this.hinted.textContent = error.message;
      return;
    }
    if (turn !== this.asked || text !== this.text) return;
    this.colour(text, found.parts);
    this.hinted.textContent = found.hint;
    this.offer(text.trim() ? found.candidates : []);
  }

  colour(text, parts) {
    const characters = [...text];
    const pieces = [];
    let at = 0;
    for (const [start, end, role] of parts) {
      if (start < at) continue;
      pieces.push(characters.slice(at, start).join(""));
      pieces.push(h("span", { class: `role-${role}` }, characters.slice(start, end).join("")));
      at = end;
    }
    put(this.paint, pieces, characters.slice(at).join(""));
  }

  // ------------------------------------------------------------- offers

  offer(candidates) {
    this.offers = candidates;
    this.chosen = -1;
    this.entered = false;
    put(this.list, candidates.slice(0, SHOWN).map((one, number) =>
      h("li", { id: `offer-${number}`, role: "option", "aria-selected": "false", on: {
        pointerdown: (event) => { event.preventDefault(); this.take(one); } } },
        h("span", {}, one.text), h("small", {}, one.meta))));
    this.list.hidden = candidates.length === 0 || document.activeElement !== this.field;
    this.field.setAttribute("aria-expanded", String(!this.list.hidden));
    this.field.removeAttribute("aria-activedescendant");
  }

  close() {
    this.offer([]);
  }

  choose(number) {
    const rows = [...this.list.children];
    this.chosen = (number + rows.length) % rows.length;
    this.entered = true;
    rows.forEach((row, n) => row.setAttribute("aria-selected", String(n === this.chosen)));
    rows[this.chosen].scrollIntoView({ block: "nearest" });
    this.field.setAttribute("aria-activedescendant", rows[this.chosen].id);
  }

  take(one) {
    const cursor = this.field.selectionStart;
    const before = [...this.text.slice(0, cursor)];
    const kept = before.slice(0, before.length - one.back).join("");
    const rest = this.text.slice(cursor);
    const put_in = kept + one.text + (one.open || /^\s/.test(rest) ? "" : " ");
    this.set(put_in + rest, put_in.length);
  }

  /** Take the only offer, or what all offers begin with; else go into the list. */
  complete() {
    if (this.offers.length === 1) {
      this.take(this.offers[0]);
      return;
    }
    const [first] = this.offers;
    const same = this.offers.every((one) => one.back === first.back);
    let shared = first.text;
    for (const { text } of this.offers) while (!text.startsWith(shared)) shared = shared.slice(0, -1);
    if (same && [...shared].length > first.back) this.take({ text: shared, back: first.back, open: true });
    else this.choose(0);
  }

  // --------------------------------------------------------------- keys

  key(event) {
    if (event.isComposing) return;
    const open = !this.list.hidden;
    const plain = !event.shiftKey && !event.ctrlKey && !event.altKey && !event.metaKey;
    const act = {
      Tab: () => {
        if (!open || !plain) return false;
        if (this.entered) this.take(this.offers[this.chosen]);
        else this.complete();
        return true;
      },
      Escape: () => { this.close(); return open; },
      Enter: () => {
        if (!plain) return false;
        if (this.entered) this.take(this.offers[this.chosen]);
        else if (this.text.trim()) this.run(this.text);
        return true;
      },
      ArrowUp: () => this.arrow(-1, plain),
      ArrowDown: () => this.arrow(1, plain),
    }[event.key];
    if (act?.()) event.preventDefault();
  }

  arrow(by, plain) {
    if (!plain) return false;
    if (this.entered) {
      this.choose(this.chosen + by);
      return true;
    }
    const around = by < 0 ? this.text.slice(0, this.field.selectionStart) : this.text.slice(this.field.selectionEnd);
    if (around.includes("\n")) return false; // within a text of several lines
    const found = this.history.step(by, this.text);
    if (found !== null) this.set(found);
    return true;
  }
}
