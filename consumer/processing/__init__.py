"""One request to one outcome: `handler` takes a record, `pipeline` makes its pictures, `outcomes` words the answer."""
