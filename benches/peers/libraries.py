#!/usr/bin/env python3
"""The libraries, each by its own natural call on a table of pandas in memory: all series, with its
own bins. See measure.py for how it is run:

    libraries.py JOB DIRECTORY

The table is read, and made what a library asks for, before the work begins. Scouter and
alibi-detect take no missing values: these are the reference's median, or an empty category.
"""

import warnings

import pandas as pd

from measure import DAY, REFERENCE, SERIES, bins, main

warnings.filterwarnings("ignore")


class Tables:
    """Reference and live rows, and which series are what."""

    def __init__(self, directory, filled=False):
        columns = bins(directory)
        self.series = list(columns)
        self.categories = [name for name in columns if "categories" in columns[name]]
        self.numbers = [name for name in columns if "edges" in columns[name]]
        self.reference = pd.read_parquet(REFERENCE, columns=["ts", *self.series])
        self.live = pd.read_parquet(directory / "live.parquet", columns=["ts", *self.series])
        if filled:
            missing = self.reference[self.numbers].median().to_dict()
            missing |= dict.fromkeys(self.categories, "")
            self.reference, self.live = self.reference.fillna(missing), self.live.fillna(missing)


def scouter(directory):
    from scouter.drift import Drifter, PsiDriftConfig

    tables = Tables(directory, filled=True)
    # text goes in as categories, and numbers as floats
    types = dict.fromkeys(tables.categories, "category") | dict.fromkeys(tables.numbers, float)
    reference = tables.reference[tables.series].astype(types)
    live = tables.live[tables.series].astype(types)
    config = PsiDriftConfig(space="peers", name="flight-delay", version="1.0.0",
                            categorical_features=tables.categories)
    drifter = Drifter()
    profile = drifter.create_drift_profile(reference, config)
    return lambda: (drifter.compute_drift(live, profile).features[SERIES], None)


def evidently(directory):
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    tables = Tables(directory)
    definition = DataDefinition(numerical_columns=tables.numbers,
                                categorical_columns=tables.categories)
    reference = Dataset.from_pandas(tables.reference[tables.series], definition)
    live = Dataset.from_pandas(tables.live[tables.series], definition)

    def work():
        found = Report([DataDriftPreset(method="psi")]).run(live, reference).dict()
        of_column = {metric["config"].get("column"): metric for metric in found["metrics"]}
        return of_column[SERIES]["value"], None

    return work


def nannyml(directory):
    from nannyml import UnivariateDriftCalculator

    tables = Tables(directory)
    method = "jensen_shannon"
    calculator = UnivariateDriftCalculator(
        column_names=tables.series, treat_as_categorical=tables.categories,
        timestamp_column_name="ts", chunk_period="D", continuous_methods=[method],
        categorical_methods=[method]).fit(tables.reference)

    def work():
        found = calculator.calculate(tables.live).filter(period="analysis").to_df()
        return found[SERIES, method, "value"].iloc[DAY - 1], None

    return work


def whylogs(directory):
    import whylogs as why

    tables = Tables(directory)
    live = tables.live[tables.series]

    def work():
        why.log(pandas=live).view().to_pandas()
        return None, None

    return work


def alibi_detect(directory):
    from alibi_detect.cd import TabularDrift

    tables = Tables(directory, filled=True)
    reference, live = tables.reference[tables.series], tables.live[tables.series]
    for name in tables.categories:
        values = sorted({*reference[name], *live[name]})
        codes = {value: code for code, value in enumerate(values)}
        reference[name], live[name] = reference[name].map(codes), live[name].map(codes)
    reference, live = reference.to_numpy(float), live.to_numpy(float)
    categories = {tables.series.index(name): None for name in tables.categories}
    detector = TabularDrift(reference, categories_per_feature=categories)

    def work():
        found = detector.predict(live, drift_type="feature")
        return found["data"]["distance"][tables.series.index(SERIES)], None

    return work


if __name__ == "__main__":
    main({"scouter": scouter, "evidently": evidently, "nannyml": nannyml, "whylogs": whylogs,
          "alibi-detect": alibi_detect})
