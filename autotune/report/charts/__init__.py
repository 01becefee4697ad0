"""What a study's report shows and says: charts, sentences and tables, made of findings."""
