"""The grammar of the command language, as Lark files; `edgelake.language` reads them."""
