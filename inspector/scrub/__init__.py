"""A capture without secrets and without people that still tells the same story.

What happened on the wire is rewritten, happening by happening, and written as any recording is: the same opcodes, in
the same order, at the same times, in the same encoding and compression, in messages of the same size. Whatever names
somebody, or says something, is replaced by something invented; one value by the same one everywhere, so that what
belongs together still does.

One rule keeps it whole: a text is replaced unless `kinds` says why it may stay. What nobody thought of is replaced.
"""
