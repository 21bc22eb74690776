//! Lists and maps in brackets.

use super::{Found, Id, Parts, Shape};
use crate::secrets::store::yaml::tokens::{Kind, Words};

impl Parts<'_> {
    pub(super) fn flow_list(&mut self, id: Id) -> Found<()> {
        self.at += 1;
        let mut first = true;
        loop {
            if *self.look() != Kind::FlowListEnd && !std::mem::take(&mut first) {
                self.comma()?;
            }
            match self.look() {
                Kind::FlowListEnd => {
                    self.flow_end(id);
                    return Ok(());
                }
                Kind::Key => {
                    let item = self.pair_in_list()?;
                    self.push(id, item);
                }
                _ => {
                    let item = self.value(false, false)?;
                    self.push(id, item);
                }
            }
        }
    }

    /// A map of one pair without brackets, in a list.
    fn pair_in_list(&mut self) -> Found<Id> {
        const EMPTY: [Kind; 2] = [Kind::Comma, Kind::FlowListEnd];
        let map = self.add(Shape::Map(Vec::new()), None, <[Words; 3]>::default());
        self.at += 1;
        let kind = self.look();
        let key = if *kind == Kind::Colon || EMPTY.contains(kind) {
            self.empty()
        } else {
            self.value(false, false)?
        };
        let value = if *self.look() == Kind::Colon {
            self.at += 1;
            if EMPTY.contains(self.look()) { self.empty() } else { self.value(false, false)? }
        } else {
            self.empty()
        };
        self.pair(map, key, value);
        self.look();
        Ok(map)
    }

    pub(super) fn flow_map(&mut self, id: Id) -> Found<()> {
        const EMPTY: [Kind; 2] = [Kind::Comma, Kind::FlowMapEnd];
        self.at += 1;
        let mut first = true;
        loop {
            if *self.look() != Kind::FlowMapEnd && !std::mem::take(&mut first) {
                self.comma()?;
            }
            let key = match self.look() {
                Kind::FlowMapEnd => {
                    self.flow_end(id);
                    return Ok(());
                }
                Kind::Key => {
                    self.at += 1;
                    let kind = self.look();
                    if *kind == Kind::Colon || EMPTY.contains(kind) {
                        self.empty()
                    } else {
                        self.value(false, false)?
                    }
                }
                _ => {
                    let key = self.value(false, false)?;
                    self.look();
                    let value = self.empty();
                    self.pair(id, key, value);
                    continue;
                }
            };
            let value = if *self.look() == Kind::Colon {
                self.at += 1;
                if EMPTY.contains(self.look()) { self.empty() } else { self.value(false, false)? }
            } else {
                self.empty()
            };
            self.pair(id, key, value);
        }
    }

    fn comma(&mut self) -> Found<()> {
        if *self.look() != Kind::Comma {
            return Err(self.lost());
        }
        self.at += 1;
        Ok(())
    }

    fn flow_end(&mut self, id: Id) {
        let [_, line, foot] = self.take();
        self.at += 1;
        self.end(id, line, foot);
    }
}
