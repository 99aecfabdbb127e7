// Failures as a part of a page.

import { Problem } from "./api.js";
import { h } from "./dom.js";

/** Return what went wrong, in which place of the text, and what to write instead. */
export function fault(error, text = null) {
  const status = error instanceof Problem ? error.status : 0;
  const column = error.data?.column;
  const caret = text !== null && column ? h("pre", {}, `${text}\n${" ".repeat(column - 1)}^`) : null;
  return h("div", { class: "fault", role: "alert" },
    h("p", {}, error.message),
    caret,
    error.hint ? h("p", { class: "hint" }, error.hint) : null,
    [401, 403].includes(status) ? h("p", { class: status === 403 ? "hint sign-in" : "hint" }, h("a", { href: "/login" }, "Sign in"), " with a name that may do more.") : null);
}
