"""
The rule language: SQL boolean and value expressions over `Facts`. It knows no domain word: what a mail or a domain is
comes in with the catalogue and with a table of functions.

    parse.py    text -> syntax tree            check.py    tree + catalogue -> Expression, or every Problem
    compile.py  Expressions -> one fast row function       walk.py  the same meaning, one clause at a time
    explain.py  why it is true, what would change it       reference.py  the function table for the documentation
"""
