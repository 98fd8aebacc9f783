import { describe, expect, it } from 'vitest'
import { escapeText, html } from '../../examples/demo/report/html.ts'

/** Text from data cannot become markup. */

describe('the template', () => {
  it('escapes text, in content and in attributes', () => {
    const name = `"><script>alert('&')</script>`
    expect(String(html`<b title="${name}">${name}</b>`)).toBe(
      '<b title="&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;">&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;</b>',
    )
  })

  it('keeps markup, joins lists, and leaves out what is not there', () => {
    const items = ['<', 'b'].map((each) => html`<li>${each}</li>`)
    expect(String(html`<ul>${items}${undefined}</ul>`)).toBe('<ul><li>&lt;</li><li>b</li></ul>')
  })

  it('takes no object that merely looks like markup', () => {
    const fake = { toString: () => '<script>' }
    expect(() => html`${fake as unknown as string}`).toThrow(TypeError)
  })

  it('rounds numbers to a tenth', () => {
    expect(String(html`${1 / 3} ${-0.04} ${200}`)).toBe('0.3 0 200')
  })
})

describe('escaped text', () => {
  it('has no control characters but white space', () => {
    expect(escapeText('a\u{0}b\u{1B}[2J\u{9B}c\n\td')).toBe('a\u{FFFD}b\u{FFFD}[2J\u{FFFD}c\n\td')
  })
})
