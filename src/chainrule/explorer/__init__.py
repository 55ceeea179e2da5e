"""A page in which a backward pass is alive: every line with its numbers, in one HTML file that asks for nothing."""

from chainrule.explorer.exploring import ExploreError, Explorer, explore, open_in_browser
from chainrule.explorer.serving import Server
from chainrule.explorer.site import write_site

__all__ = ["ExploreError", "Explorer", "Server", "explore", "open_in_browser", "write_site"]
