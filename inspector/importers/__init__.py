"""Frames out of other people's files: one module per format.

An importer is a module with one `Source`. To add one, write it like its neighbours and name it in `formats.IMPORTERS`.
Those of third parties come by entry points (`plugins`).
"""
