// Searches a page for what keeps users of assistive technology out, with axe-core.

import { AxeBuilder } from '@axe-core/playwright';

/**
 * Returns the violations on the page, one line for each element. It has to be empty in every state, light and dark.
 * Animations must have ended: axe measures contrast with the opacity of the moment. The second theme differs from the first in
 * its colours only.
 */
export async function violations(page, { isSecondTheme = false } = {}) {
  const options = isSecondTheme ? { runOnly: ['color-contrast'] } : { rules: { 'target-size': { enabled: true } } };
  const { violations: found } = await new AxeBuilder({ page }).setLegacyMode().options({ resultTypes: ['violations'], ...options }).analyze();
  return found.flatMap(({ id, help, nodes }) => nodes.map(({ target, failureSummary }) => `${id} at ${target.join(' ')}: ${help}. ${failureSummary.split('\n').slice(1).join(' ').trim()}`));
}
