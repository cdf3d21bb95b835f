//! One label, one thing (V30).

use std::collections::HashMap;

use super::Index;
use crate::{
    load::declared::{At, Texts},
    report::Report,
};

pub(super) fn check(index: &Index<'_>, report: &mut Report) {
    let labels = index.declared_models().map(|m| (&m.name, &m.texts));
    unique(labels, &|label, a, b| format!("label '{label}' is used by models '{a}' and '{b}'"), report);
    let labels = index.declared.metrics.iter().map(|m| (&m.name, &m.texts));
    unique(labels, &|label, a, b| format!("label '{label}' is used by metrics '{a}' and '{b}'"), report);
    for model in index.declared_models() {
        let labels = model.entities.iter().map(|e| (&e.name, &e.texts));
        let labels = labels.chain(model.dimensions.iter().map(|d| (&d.name, &d.texts)));
        let labels = labels.chain(model.measures.iter().map(|m| (&m.name, &m.texts)));
        let message = |label: &str, a: &str, b: &str| {
            format!("label '{label}' is used by '{a}' and '{b}' of model '{}'", model.name.value)
        };
        unique(labels, &message, report);
    }
    entities(index, report);
}

fn unique<'a>(
    items: impl Iterator<Item = (&'a At<String>, &'a Texts)>,
    message: &dyn Fn(&str, &str, &str) -> String,
    report: &mut Report,
) {
    let mut seen: HashMap<&str, &At<String>> = HashMap::new();
    for (name, texts) in items {
        let Some(label) = &texts.label else { continue };
        match seen.get(label.value.as_str()) {
            // A name that is there twice was reported.
            Some(first) if first.value == name.value => {}
            Some(first) => {
                report.error(
                    "duplicate_label",
                    &label.span,
                    message(&label.value, &first.value, &name.value),
                );
            }
            None => _ = seen.insert(&label.value, name),
        }
    }
}

/// One entity is called the same in all models.
fn entities(index: &Index<'_>, report: &mut Report) {
    let mut seen: HashMap<&str, (&str, &str)> = HashMap::new();
    for model in index.declared_models() {
        for entity in &model.entities {
            let Some(label) = &entity.texts.label else { continue };
            let (name, owner) = (entity.name.value.as_str(), model.name.value.as_str());
            let (first, other) = *seen.entry(name).or_insert((&label.value, owner));
            if first != label.value {
                let message = format!(
                    "entity '{name}' has the label '{first}' in model '{other}' but '{}' in '{owner}'",
                    label.value
                );
                report.error("duplicate_label", &label.span, message);
            }
        }
    }
}
