"""Statements of a person's own, asked of a capture: they read its tables, and nothing else."""

import sqlite3

from inspector.store.database import Database

# Instructions of SQLite's machine between two looks at the clock and at signals: each may call a slow function.
_BEAT = 200
# Bytes of a pattern of LIKE and GLOB: the time they take may rise by a power.
_MAX_PATTERN = 200

_QUESTIONS = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE)
_FUNCTIONS_THAT_REACH_OUT = ("load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "zipfile", "fsdir")
# Pragmas that say something, and those that would set it if they were given a value.
_ABOUT = (
    "table_info", "table_xinfo", "table_list", "index_info", "index_list", "index_xinfo", "foreign_key_list",
)  # fmt: skip
_SETTINGS = (
    "application_id", "collation_list", "compile_options", "data_version", "encoding", "freelist_count",
    "function_list", "integrity_check", "journal_mode", "module_list", "page_count", "page_size", "pragma_list",
    "quick_check", "schema_version", "user_version",
)  # fmt: skip
_WORDS = {
    getattr(sqlite3, f"SQLITE_{name}"): name.lower().replace("_", " ").replace("vtable", "virtual table")
    for name in (
        "ATTACH", "DETACH", "INSERT", "UPDATE", "DELETE", "TRANSACTION", "SAVEPOINT", "ANALYZE", "REINDEX", "PRAGMA",
        "FUNCTION", "ALTER_TABLE", "CREATE_INDEX", "CREATE_TABLE", "CREATE_TRIGGER", "CREATE_VIEW", "CREATE_VTABLE",
        "CREATE_TEMP_INDEX", "CREATE_TEMP_TABLE", "CREATE_TEMP_TRIGGER", "CREATE_TEMP_VIEW", "DROP_INDEX",
        "DROP_TABLE", "DROP_TRIGGER", "DROP_VIEW", "DROP_VTABLE", "DROP_TEMP_INDEX", "DROP_TEMP_TABLE",
        "DROP_TEMP_TRIGGER", "DROP_TEMP_VIEW",
    )
}  # fmt: skip


class OnlyReads:
    """Lets `db` answer questions and nothing else, from now on. What it refuses fails with `sqlite3.DatabaseError`.

    The columns `hide`, as ``table.column``, read as null, whatever is made of them: hex(), substr(), sizes.
    """

    def __init__(self, db: Database, hide: frozenset[str] = frozenset()) -> None:
        self.refused = ""
        """What was refused last, in words."""
        self.hidden: set[str] = set()
        """Columns that were asked for and read as null."""
        self._hide = hide
        db.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, _MAX_PATTERN)
        db.set_progress_handler(db.watch.beat, _BEAT)
        db.execute("pragma query_only = on")
        db.set_authorizer(self._may)

    def _may(self, action: int, first: str | None, second: str | None, database: str | None, by: str | None) -> int:
        if action == sqlite3.SQLITE_READ and (column := f"{first}.{second}".lower()) in self._hide:
            self.hidden.add(column)
            return sqlite3.SQLITE_IGNORE
        if action in _QUESTIONS:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in _FUNCTIONS_THAT_REACH_OUT:
            return sqlite3.SQLITE_OK
        # What tables of SQLite's own, as json_each, ask when they are first used. It cannot be updated in earnest.
        if action == sqlite3.SQLITE_UPDATE and first == "sqlite_master":
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_PRAGMA:
            name = (first or "").lower()
            if name in _ABOUT or (name in _SETTINGS and second is None):
                return sqlite3.SQLITE_OK
        named = {sqlite3.SQLITE_PRAGMA: first, sqlite3.SQLITE_FUNCTION: second}.get(action)
        self.refused = _WORDS.get(action, "that") + (f" {named}" if named else "")
        return sqlite3.SQLITE_DENY
