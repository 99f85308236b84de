# Copyright (c) 2026 lvs.cluster contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a document to the text of keepalived.conf, by the template of the role keepalived. Pure."""

from __future__ import annotations

import functools

from jinja2 import Environment, StrictUndefined, Template

from .keepalived import Document

# Where the template is, from the folder of the collection.
TEMPLATE = "roles/keepalived/templates/keepalived.conf.j2"


def render(template: str, document: Document) -> str:
    """The configuration of keepalived, but for the definitions that the host adds.

    :param template: its text.
    """
    return _compiled(template).render(keepalived=document)


@functools.lru_cache(maxsize=1)
def _compiled(template: str) -> Template:
    # Nothing is escaped: it is no HTML, and what may stand in it is checked where it is read.
    environment = Environment(
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,
    )
    return environment.from_string(template)
