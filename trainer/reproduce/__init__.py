"""The paper's Table 1 and Figures 3 to 9, made again: models, tables and pictures for any labelled faces.

| module | job |
|---|---|
| settings | what was asked for, checked |
| models | which models there are, and the configuration of each |
| training | trains a model, or goes on with it |
| desk | opens models and the faces that they are shown |
| items | the table of what is made, and which models it needs |
| table, plane, edited, drawn | how each is made |
| record | what is kept of each, and the page's numbers |
| page | the page |
| command | `reproduce`: all of it in order |
"""
