"""The node as a web application: commands by REST, and what is built on them.

What it is: an ASGI application over the interpreter of a node. `requests` reads what a
caller wants, `access` who he is, `running` has it done, `replies` and `problems` say how
it went. What it is not: a server; that is `edgelake.services.http`.

Needs the extra ``edgelake[rest]``; imported when the first REST server is started.
"""
