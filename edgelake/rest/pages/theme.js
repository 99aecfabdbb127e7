// Before anything is drawn: the colours that were chosen here, or else the system's.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("edgelake.theme");
  } catch {
    // a browser may keep nothing
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
