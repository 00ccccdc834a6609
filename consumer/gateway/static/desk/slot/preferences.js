/** What an editor took last in a section: style, number of pictures, size. */
const KEPT = "leadart.painting";

/** Return what is remembered for a section, else for any; `{}` if nothing is. */
export async function remembered(section) {
  const { sections = {}, last = {} } = read();
  return sections[section ?? ""] ?? last;
}

/** Remember it for the section, and for sections that have nothing of their own. */
export async function remember(section, values) {
  const { sections = {} } = read();
  write({ sections: { ...sections, [section ?? ""]: values }, last: values });
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? {};
  } catch {
    return {};
  }
}

function write(kept) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(kept));
  } catch {
    return; // a browser that keeps nothing asks again next time
  }
}
