/** Sends the form that a page exists for. Without scripts its button does. */
export const submitScript = `'use strict';
document.querySelector('form[data-submit]')?.requestSubmit();
`;
