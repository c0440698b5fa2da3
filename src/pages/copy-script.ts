/**
 * Shows the buttons that copy a line, where the browser lets a page write to the clipboard, and says what became of it.
 * Without scripts the lines are text that a click selects whole.
 */
export const copyScript = `'use strict';
(() => {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll('button[data-copy]')) {
    const line = document.getElementById(button.dataset.copy);
    if (!line) continue;
    const label = button.textContent;
    let timer;
    button.hidden = false;
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(line.textContent);
        button.textContent = 'Copied';
      } catch {
        getSelection()?.selectAllChildren(line);
        button.textContent = 'Selected';
      }
      clearTimeout(timer);
      timer = setTimeout(() => { button.textContent = label; }, 2000);
    });
  }
})();
`;
