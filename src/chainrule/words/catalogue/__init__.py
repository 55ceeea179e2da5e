"""Translations of messages, found by the English text of a message.

A message is written in English where it is raised, as an f-string, often of parts that other functions have made
(where it was, what is allowed, what was meant), and it is wrapped by other messages on its way. The catalogue has
the templates of these messages and parts, with their translations, so that the translation of any text is found by
the text itself, also of one that came from another process or that is a part of another message. A text without an
entry stays English.
"""

from chainrule.words.catalogue.lookup import Catalogue, Found, catalogue, translated
from chainrule.words.catalogue.po import Entry, read_entries
from chainrule.words.catalogue.template import Field, Template

__all__ = ["Catalogue", "Entry", "Field", "Found", "Template", "catalogue", "read_entries", "translated"]
