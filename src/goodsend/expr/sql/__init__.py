"""
SQL from expressions: for DuckDB, Spark (and Sail, which speaks it) and BigQuery, equal in meaning to `evaluate`.

    model.py       engines, steps, columns, one call to be written      write.py   tree -> SQL
    arithmetic.py  operators on numbers and times                       forms.py   the functions, one file per family
    pieces.py      small pieces of SQL                                  udfs.py    Python functions an engine must know
    share.py       calls that many expressions make, computed once
"""
