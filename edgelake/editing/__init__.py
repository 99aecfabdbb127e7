"""What a text that is being typed seems to be, for whatever shows it.

A text is scanned (`tokens`), read by the declarations of the commands (`reading`, `places`),
and from that one reading come completion, hints and colours, at the console and in the browser.
Nothing here refuses a text or runs it.
"""
