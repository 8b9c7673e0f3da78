"""
The set path of features: SQL over a whole log, equal to `compute.Windows` on every fact. Told in
docs/explanation/set-path.md.

    steps.py     the whole: `feature_steps`            memories.py    features that share what feeds them
    rows.py      keys, values, late events             shapes.py      the queries of one key, stage by stage
    draft.py     columns asked for, by stage           aggregates.py  how each aggregate is read
    words.py     what engines call things
"""
