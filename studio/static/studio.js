// Kept current in the page: ages of things; and what the server need not hear of: copying.
(() => {
  document.documentElement.lang = "en";
  const units = [[60, "s"], [60, "min"], [24, "h"], [365, "d"]];
  const span = (seconds) => {
    let value = seconds;
    for (const [size, unit] of units.slice(0, -1)) {
      if (value < size) return `${value} ${unit}`;
      value = Math.floor(value / size);
    }
    return `${value} d`;
  };
  const age = (element) => {
    const distance = Math.floor((Date.now() - Number(element.dataset.ago)) / 1000);
    const text = span(Math.abs(distance));
    element.textContent = distance === 0 ? "now" : distance > 0 ? `${text} ago` : `in ${text}`;
  };
  setInterval(() => document.querySelectorAll("time[data-ago]").forEach(age), 1000);

  const copy = async (text) => {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
    const area = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    event.preventDefault();
    await copy(button.dataset.copy);
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1200);
  });
  // "/" goes to the search field, as on other sites for people who look things up.
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey) return;
    const field = document.querySelector(".search input");
    if (field) { event.preventDefault(); field.focus(); }
  });
})();
